import type { ChosenCloseCode, CloseCode } from "../protocol/codes.ts";

/**
 * The contract between Tautline and the WebSocket engine underneath. Two implementations: `bun.ts` and `uws.ts`.
 * The suite in `test/contract/engine.ts` holds every promise that this file makes.
 */

/** One encoded WebSocket message: text goes out as a text frame, bytes as a binary frame. */
export type Frame = string | Uint8Array;

/**
 * The fate of one `send`, with the same meaning on every engine: handed to the kernel, waiting in user space,
 * or not delivered (the socket is closed, or over the engine's limit and about to be ended).
 */
export type SendResult = "sent" | "buffered" | "dropped";

export interface Socket {
  /** Never throws; "dropped" once the socket is closed. Keeps its order with topic publishes. */
  send(frame: Frame): SendResult;
  /** Native topic membership; idempotent; ignored once closed. */
  join(topic: string): void;
  leave(topic: string): void;
  /** To every member of the topic but this socket. */
  publish(topic: string, frame: Frame): void;
  /** Idempotent. A reason over 123 bytes of UTF-8 is cut at a character. Runs `Handler.close` before it returns. */
  close(code: CloseCode | ChosenCloseCode, reason: string): void;
  /** Ends the TCP connection without a close frame. */
  terminate(): void;
  ping(): void;
  /** Bytes accepted for this socket that the kernel has not taken yet. */
  readonly bufferedBytes: number;
  /** Stops and restarts reading from the peer. Optional: without it a full inbound queue closes 4029. */
  pause?(): void;
  resume?(): void;
}

/** One upgrade request. Everything is copied: safe to keep and to read after an `await`. */
export interface Handshake {
  /** The path without the query: dot segments resolved, percent-encoding as it was sent. */
  readonly path: string;
  /** Without the `?`; "" when there is none. */
  readonly query: string;
  /** Address of the TCP peer; "" on a Unix socket. */
  readonly peerAddress: string;
  /** The value of a header by its lower-case name; several lines joined by ", " (cookies by "; "); null when absent. */
  header(name: string): string | null;
}

export interface Accept<S> {
  readonly session: S;
  /** The subprotocol to answer; null answers none, whatever was offered. */
  readonly subprotocol: string | null;
  readonly headers?: Readonly<Record<string, string>>;
}

/** An HTTP answer instead of the upgrade. The engine adds `Connection: close`. */
export interface Refuse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface Peer {
  /** Address of the TCP peer; "" on a Unix socket. */
  readonly address: string;
  /** Lifts the engine's own timeout for this request, for a body that streams for minutes. */
  holdOpen(): void;
  /** It holds again, from now on: to be called before the answer, or a connection whose peer goes quiet behind it stays for ever. */
  letGo(): void;
}

/**
 * What the engine calls. A throw from any of these, or a rejection, ends that connection alone (1011) and is handed to `failed`.
 * `open`, `message`, `drain`, `pong` and `close` are synchronous; messages of one socket arrive in order.
 */
export interface Handler<S> {
  /**
   * Called for requests with `Upgrade: websocket`, `upgrade` in `Connection`, one `Host` and one well-formed key; all others never
   * get here. After an `Accept` exactly one of `open` and `abandoned` follows.
   */
  upgrade(handshake: Handshake): Accept<S> | Refuse | Promise<Accept<S> | Refuse>;
  /** A request for an upgrade that broke the rules above was answered with that status; it concerns nobody else. */
  malformed(handshake: Handshake, status: number): void;
  open(socket: Socket, session: S): void;
  /** The accepted peer went away before the upgrade; its session never had a socket. */
  abandoned(session: S): void;
  message(session: S, data: string | Uint8Array): void;
  /** Bytes that were buffered went out. */
  drain(session: S): void;
  /** A ping or a pong frame came from the peer. */
  pong(session: S): void;
  /** Exactly once after `open`. 1006 when no close frame was seen: gone, killed over the limit, or a protocol error. */
  close(session: S, code: number, reason: string): void;
  /** Every other HTTP request; one with a malformed or doubled Host was answered 400. `request.url` has a host that URL parsers take. */
  fetch(request: Request, peer: Peer): Response | Promise<Response>;
  failed(error: unknown): void;
}

export interface Address {
  /** For people: `http://127.0.0.1:8080` or `unix:/path`. */
  readonly url: string;
  /** 0 on a Unix socket. */
  readonly port: number;
}

export interface Engine {
  /** The name in the start line: `bun 1.4.4`. */
  readonly name: string;
  /** Rejects with an `Error` that names the address when it is in use. */
  listen(): Promise<Address>;
  /** To every member of the topic, in the order of the calls. A message is copied or immutable once this returns. */
  publish(topic: string, frame: Frame): void;
  /** Closes HTTP connections that are kept open between two requests. WebSockets and requests under way go on. */
  closeIdle(): void;
  /** Ends every connection that is left with 1001 and stops listening. */
  stop(): Promise<void>;
}

export interface EngineOptions {
  readonly host: string;
  readonly port: number;
  readonly unixSocket: string | null;
  /** Over it the engine closes 1009, from the frame header where that tells. */
  readonly maxMessageBytes: number;
  /**
   * The engine's own net: a socket with more than this unsent is ended without a close frame. What was published then is left out, and what
   * is published until it has ended may still come: whoever must not see a hole ends the socket earlier.
   */
  readonly maxUnsentBytes: number;
  /** Bodies over it are answered 413 by the engine. */
  readonly maxBodyBytes: number;
}
