import type { ChosenCloseCode, CloseCode } from "../protocol/codes.ts";
import { cutReason, sendableCode } from "./close-frame.ts";
import type { Frame, SendResult, Socket } from "./engine.ts";

/** One connection: the `data` of its ServerWebSocket, from the handshake to the close. */
export class BunSocket<S> implements Socket {
  readonly session: S;
  #ws: Bun.ServerWebSocket<BunSocket<S>> | null = null;
  #overLimit = false;

  constructor(session: S) {
    this.session = session;
  }

  attach(ws: Bun.ServerWebSocket<BunSocket<S>>): void {
    this.#ws = ws;
  }

  detach(): void {
    this.#ws = null;
  }

  send(frame: Frame): SendResult {
    const ws = this.#ws;
    // Over its limit Bun ends the connection a tick later; a send that got through until then would follow a hole.
    if (ws === null || this.#overLimit) return "dropped";
    const status = ws.send(frame);
    if (status > 0) return "sent";
    if (status < 0) return "buffered";
    // 0 is the length of an empty frame as well.
    if (frame.length === 0) return "sent";
    this.#overLimit = true;
    return "dropped";
  }

  join(topic: string): void {
    this.#ws?.subscribe(topic);
  }

  leave(topic: string): void {
    this.#ws?.unsubscribe(topic);
  }

  publish(topic: string, frame: Frame): void {
    this.#ws?.publish(topic, frame, false);
  }

  close(code: CloseCode | ChosenCloseCode, reason: string): void {
    const ws = this.#ws;
    if (ws === null) return;
    // Bun calls the close handler inside `close`: whatever that handler sends must find the socket closed.
    this.#ws = null;
    ws.close(sendableCode(code), cutReason(reason));
  }

  terminate(): void {
    const ws = this.#ws;
    if (ws === null) return;
    this.#ws = null;
    ws.terminate();
  }

  ping(): void {
    this.#ws?.ping();
  }

  get bufferedBytes(): number {
    return this.#ws?.getBufferedAmount() ?? 0;
  }

  pause(): void {
    this.#ws?.pause();
  }

  resume(): void {
    this.#ws?.resume();
  }
}
