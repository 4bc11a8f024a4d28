import { createRequire } from "node:module";

/**
 * The part of uWebSockets.js that the engine uses. The package is an optional peer dependency, which is not there on Bun, so its types are
 * not there either. All of them throw when they are used after their end.
 */

export interface UwsRequest {
  /** As it stands in the request line, without the query. */
  getUrl(): string;
  getQuery(): string | undefined;
  getCaseSensitiveMethod(): string;
  getHeader(lowerCaseName: string): string;
  forEachHeader(take: (lowerCaseName: string, value: string) => void): void;
}

export interface UwsResponse {
  writeStatus(status: string): void;
  writeHeader(name: string, value: string): void;
  /** False: it had to be buffered, and `onWritable` is called when that has gone out. */
  write(chunk: Uint8Array): boolean;
  end(body: string | Uint8Array, closeConnection: boolean): void;
  endWithoutBody(contentLength: number | undefined, closeConnection: boolean): void;
  /** Ends the connection; `onAborted` is called in it. */
  close(): void;
  pause(): void;
  resume(): void;
  onAborted(handler: () => void): void;
  onWritable(handler: () => boolean): void;
  /** The chunk is gone once the handler has returned. */
  onData(handler: (chunk: ArrayBuffer, isLast: boolean) => void): void;
  /** 4 or 16 bytes; none on a Unix socket. */
  getRemoteAddress(): ArrayBuffer;
  cork(write: () => void): void;
  /** Runs the `open` of the behavior before it returns. */
  upgrade(userData: object, key: string, subprotocol: string, extensions: string, context: UwsContext): void;
}

export interface UwsWebSocket<D> {
  /** 0: buffered, 1: sent, 2: dropped over the limit. */
  send(message: string | Uint8Array, isBinary: boolean): number;
  publish(topic: string, message: string | Uint8Array, isBinary: boolean): boolean;
  subscribe(topic: string): boolean;
  unsubscribe(topic: string): boolean;
  ping(): number;
  /** With a close frame. Runs `close` before it returns; so does the next. */
  end(code: number, reason: string): void;
  close(): void;
  getBufferedAmount(): number;
  getUserData(): D;
}

/** Handles of the native side. */
export type UwsContext = object;
export type UwsListener = object;

export interface UwsBehavior<D> {
  readonly maxPayloadLength: number;
  readonly maxBackpressure: number;
  readonly closeOnBackpressureLimit: boolean;
  readonly compression: number;
  readonly idleTimeout: number;
  readonly sendPingsAutomatically: boolean;
  upgrade(response: UwsResponse, request: UwsRequest, context: UwsContext): void;
  open(ws: UwsWebSocket<D>): void;
  message(ws: UwsWebSocket<D>, message: ArrayBuffer, isBinary: boolean): void;
  drain(ws: UwsWebSocket<D>): void;
  ping(ws: UwsWebSocket<D>): void;
  pong(ws: UwsWebSocket<D>): void;
  close(ws: UwsWebSocket<D>, code: number, reason: ArrayBuffer): void;
}

type OnListen = (listener: UwsListener | false) => void;

export interface UwsApp {
  ws<D>(pattern: string, behavior: UwsBehavior<D>): void;
  any(pattern: string, handler: (response: UwsResponse, request: UwsRequest) => void): void;
  listen(host: string, port: number, options: number, onListen: OnListen): void;
  listen_unix(onListen: OnListen, path: string): void;
  publish(topic: string, message: string | Uint8Array, isBinary: boolean): boolean;
  /** Ends all connections at once. */
  close(): void;
}

export interface UwsPackage {
  createApp(): UwsApp;
  /** Without it a second process binds the same port and takes half of the connections. */
  readonly exclusivePort: number;
  closeListener(listener: UwsListener): void;
  portOf(listener: UwsListener): number;
}

/** The package as it is; a redistribution on npm has the names without `us_`. */
interface RawPackage {
  readonly App: () => UwsApp;
  readonly us_listen_socket_close?: (listener: UwsListener) => void;
  readonly us_socket_local_port?: (listener: UwsListener) => number;
  readonly closeSocket?: (listener: UwsListener) => void;
  readonly getSocketPort?: (listener: UwsListener) => number;
  readonly LIBUS_LISTEN_EXCLUSIVE_PORT: number;
}

const HOW_TO_INSTALL = "npm install uNetworking/uWebSockets.js#v20.67.0, see docs/engines.md";

/** Throws an `Error` that says what to install. */
export function loadUws(): UwsPackage {
  let uws: unknown;
  try {
    // Its module for `import` leaves functions out.
    uws = createRequire(import.meta.url)("uWebSockets.js");
  } catch (error) {
    const isMissing = error instanceof Error && "code" in error && error.code === "MODULE_NOT_FOUND";
    const problem = isMissing ? "is not installed" : `does not load in Node ${process.versions.node}`;
    throw new Error(`uWebSockets.js ${problem}: ${HOW_TO_INSTALL}`, { cause: error });
  }
  if (!isUws(uws)) throw new Error(`uWebSockets.js is another package: ${HOW_TO_INSTALL}`);
  return {
    createApp: () => uws.App(),
    exclusivePort: uws.LIBUS_LISTEN_EXCLUSIVE_PORT,
    closeListener: (listener) => (uws.us_listen_socket_close ?? uws.closeSocket)?.(listener),
    portOf: (listener) => (uws.us_socket_local_port ?? uws.getSocketPort)?.(listener) ?? 0,
  };
}

function isUws(value: unknown): value is RawPackage {
  return typeof value === "object" && value !== null && "App" in value && typeof value.App === "function";
}
