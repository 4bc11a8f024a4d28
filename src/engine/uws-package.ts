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
  /** Runs `open` before it returns. */
  upgrade<D>(userData: D, key: string, subprotocol: string, extensions: string, context: UwsContext): void;
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

/** The library reads it from the environment when it is loaded, and lets its own 4 KiB be too little for a long token. */
const MAX_HEADER_BYTES = "16384";

const HOW_TO_INSTALL = "npm install uNetworking/uWebSockets.js#v20.51.0 (README, Node)";

/** Throws an `Error` that says what to install. */
export function loadUws(): UwsPackage {
  process.env["UWS_HTTP_MAX_HEADERS_SIZE"] ??= MAX_HEADER_BYTES;
  let loaded: unknown;
  try {
    // Its module for `import` leaves functions out.
    loaded = createRequire(import.meta.url)("uWebSockets.js");
  } catch (error) {
    const isMissing = error instanceof Error && "code" in error && error.code === "MODULE_NOT_FOUND";
    const problem = isMissing ? "is not installed" : `does not load in Node ${process.versions.node}`;
    throw new Error(`uWebSockets.js ${problem}: ${HOW_TO_INSTALL}`, { cause: error });
  }
  const createApp = functionIn<() => UwsApp>(loaded, "App");
  // A redistribution on npm has the names behind the comma.
  const closeListener = functionIn<(listener: UwsListener) => void>(loaded, "us_listen_socket_close", "closeSocket");
  const portOf = functionIn<(listener: UwsListener) => number>(loaded, "us_socket_local_port", "getSocketPort");
  return { createApp, exclusivePort: 1, closeListener, portOf };
}

/** The first of the functions that the package has. */
function functionIn<F>(loaded: unknown, ...names: readonly string[]): F {
  const entries = typeof loaded === "object" && loaded !== null ? Object.entries(loaded) : [];
  for (const name of names) {
    const found: unknown = entries.find(([key]) => key === name)?.[1];
    // What the package says of its own functions is all that is known of them.
    if (typeof found === "function") return found as F;
  }
  throw new Error(`uWebSockets.js has no ${names[0]}: ${HOW_TO_INSTALL}`);
}
