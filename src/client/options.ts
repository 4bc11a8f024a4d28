import type { Clock } from "../observe/clock.ts";
import type { Backoff } from "./backoff.ts";
import type { SocketConstructor } from "./socket.ts";

export interface CommonOptions {
  /**
   * How the token travels. By default as a subprotocol, in no URL. `first-message` is for the endpoint `/`; `query` puts it into the
   * address, where others may log it.
   */
  readonly auth?: "subprotocol" | "first-message" | "query";
  /** By default JSON. */
  readonly format?: "json" | "msgpack";
  /** Its abort closes the client. */
  readonly signal?: AbortSignal;
  readonly backoff?: Partial<Backoff>;
  /** Requests without an answer, 1,000 by default. */
  readonly maxQueuedMessages?: number;
  /** Their length as JSON, 1 MiB by default. */
  readonly maxQueuedBytes?: number;
  /** An attempt to connect that takes longer is given up: 20 s by default, the token's function included. */
  readonly connectTimeoutMs?: number;
  /** Where there is none built in. */
  readonly WebSocket?: SocketConstructor;
  /** For tests. */
  readonly clock?: Clock;
  /** For tests: from 0 up to 1. */
  readonly random?: () => number;
}

type Secret = string | Promise<string>;

/** One of both. They are asked for every attempt; the token also before it ends. */
export type ConnectOptions = CommonOptions &
  (
    | { readonly token: string | (() => Secret); readonly ticket?: never }
    | { readonly ticket: () => Secret; readonly token?: never }
  );
