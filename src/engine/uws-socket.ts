import type { ChosenCloseCode, CloseCode } from "../protocol/codes.ts";
import { cutReason, sendableCode } from "./close-frame.ts";
import type { Frame, SendResult, Socket } from "./engine.ts";
import type { UwsWebSocket } from "./uws-package.ts";

/** The package copies the fields of what it is given, and gives out the copy. */
export interface SocketData<S> {
  readonly socket: UwsSocket<S>;
}

type WebSocketOf<S> = UwsWebSocket<SocketData<S>>;

/**
 * Every socket is a member of it, and nothing is published there. When a member leaves its last topic the package forgets what is still to be
 * sent to it, and to a socket of no topic it writes large frames by a shortcut that has been seen to lose bytes of them when the kernel takes no more.
 */
const EVERYONE = "\0";

/** What `send` of the package answers. */
const SEND_RESULTS: readonly SendResult[] = ["buffered", "sent", "dropped"];

/** One connection, from the handshake to the close. */
export class UwsSocket<S> implements Socket {
  readonly session: S;
  #ws: WebSocketOf<S> | null = null;
  #isOpen = false;
  #overLimit = false;

  constructor(session: S) {
    this.session = session;
  }

  attach(ws: WebSocketOf<S>): void {
    this.#ws = ws;
  }

  /** The session has a connection from here on. False: it is gone already. */
  open(): boolean {
    if (this.#ws === null) return false;
    this.#isOpen = true;
    this.#ws.subscribe(EVERYONE);
    return true;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  detach(): void {
    this.#ws = null;
  }

  send(frame: Frame): SendResult {
    const ws = this.#ws;
    // Over its limit the connection ends a tick later; a send that got through until then would follow a hole.
    if (ws === null || this.#overLimit) return "dropped";
    const result = SEND_RESULTS[ws.send(frame, typeof frame !== "string")] ?? "dropped";
    if (result === "dropped") this.#overLimit = true;
    return result;
  }

  join(topic: string): void {
    this.#ws?.subscribe(topic);
  }

  leave(topic: string): void {
    this.#ws?.unsubscribe(topic);
  }

  publish(topic: string, frame: Frame): void {
    this.#ws?.publish(topic, frame, typeof frame !== "string");
  }

  close(code: CloseCode | ChosenCloseCode, reason: string): void {
    const ws = this.#ws;
    if (ws === null) return;
    // The package calls the close handler inside `end`: whatever that handler sends must find the socket closed.
    this.#ws = null;
    ws.end(sendableCode(code), cutReason(reason));
  }

  terminate(): void {
    const ws = this.#ws;
    if (ws === null) return;
    this.#ws = null;
    ws.close();
  }

  ping(): void {
    this.#ws?.ping();
  }

  get bufferedBytes(): number {
    return this.#ws?.getBufferedAmount() ?? 0;
  }
}
