import type { Application } from "../hub/application.ts";
import type { Connection } from "../hub/connection.ts";
import { isThenable } from "../observe/thenable.ts";
import type { OwnFrame } from "../protocol/own-frame.ts";
import { ClientConnection } from "./client-connection.ts";

/** A message of a type of the application's own, with its fields as the client sent them. */
export type OwnMessage = Readonly<OwnFrame>;

/**
 * What an application hears of its clients. Each may return a promise. One that throws or rejects is logged and ends neither the
 * connection nor the process.
 */
export interface ConnectionCallbacks<Data = unknown> {
  /** A connection was greeted. While a promise is not settled, the connection's messages wait. */
  readonly onConnect?: ((connection: ClientConnection<Data>) => unknown) | undefined;
  /**
   * A connection that `onConnect` was called for has ended; called after that has settled. `code` is the close code: 1005 when the client
   * gave none, 1006 when the connection broke.
   */
  readonly onDisconnect?: ((connection: ClientConnection<Data>, end: { readonly code: number }) => unknown) | undefined;
  /**
   * A message that is none of the protocol's, whose `type` is named as events are: instead of the error UNKNOWN_TYPE. It has cost the
   * user a message. While a promise is not settled, the connection's later messages wait. A throw is answered with the error INTERNAL
   * and a correlation id, a `ProtocolError` with its own code.
   */
  readonly onMessage?: ((connection: ClientConnection<Data>, message: OwnMessage) => unknown) | undefined;
}

interface CallbackPorts {
  readonly report: (error: unknown, correlationId: string) => void;
  readonly nowMs: () => number;
}

/** Null when nothing is to be called: then connections cost nothing more. */
export function applicationOf<Data>(callbacks: ConnectionCallbacks<Data>, ports: CallbackPorts): Application | null {
  const { onConnect, onDisconnect, onMessage } = callbacks;
  const isHeard = onConnect !== undefined || onDisconnect !== undefined || onMessage !== undefined;
  return isHeard ? new Callbacks(callbacks, ports) : null;
}

interface Heard<Data> {
  readonly client: ClientConnection<Data>;
  /** Until `onConnect` has settled. */
  connecting: Promise<void> | null;
}

class Callbacks<Data> implements Application {
  readonly #callbacks: ConnectionCallbacks<Data>;
  readonly #ports: CallbackPorts;
  readonly #heard = new Map<Connection, Heard<Data>>();
  readonly message: Application["message"];

  constructor(callbacks: ConnectionCallbacks<Data>, ports: CallbackPorts) {
    this.#callbacks = callbacks;
    this.#ports = ports;
    this.message = callbacks.onMessage === undefined ? null : (connection, frame) => this.#message(connection, frame);
  }

  connected(connection: Connection): void | Promise<void> {
    if (connection.principal === null) return;
    const client = new ClientConnection<Data>(connection, connection.principal, this.#ports.nowMs);
    const heard: Heard<Data> = { client, connecting: null };
    this.#heard.set(connection, heard);
    const connecting = this.#run(() => this.#callbacks.onConnect?.(client));
    if (connecting === undefined) return;
    const done = async (): Promise<void> => {
      await connecting;
      heard.connecting = null;
    };
    heard.connecting = done();
    return heard.connecting;
  }

  disconnected(connection: Connection, code: number): void {
    const heard = this.#heard.get(connection);
    if (heard === undefined) return;
    this.#heard.delete(connection);
    const tell = (): void => void this.#run(() => this.#callbacks.onDisconnect?.(heard.client, { code }));
    if (heard.connecting === null) tell();
    else void heard.connecting.then(tell);
  }

  #message(connection: Connection, frame: OwnFrame): void | Promise<void> {
    const heard = this.#heard.get(connection);
    if (heard === undefined) return;
    const done = this.#callbacks.onMessage?.(heard.client, frame);
    if (isThenable(done)) return Promise.resolve(done).then(() => undefined);
  }

  /** Never throws, never rejects. */
  #run(call: () => unknown): void | Promise<void> {
    const report = (error: unknown): void => this.#ports.report(error, crypto.randomUUID());
    try {
      const done = call();
      if (isThenable(done)) return Promise.resolve(done).then(() => undefined, report);
    } catch (error) {
      report(error);
    }
  }
}
