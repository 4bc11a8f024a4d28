import type { UwsResponse } from "./uws-package.ts";

/** Bytes that wait for their reader before the peer is read no more. */
const MAX_WAITING_BYTES = 65_536;

/** The body of a request, as its bytes come in. */
export class RequestBody {
  readonly stream: ReadableStream<Uint8Array>;
  readonly #response: UwsResponse;
  readonly #maxBytes: number;
  readonly #tooLarge: () => void;
  #controller: ReadableStreamDefaultController<Uint8Array> | null = null;
  #bytes = 0;
  #isPaused = false;

  /** `tooLarge` is called once, for the first byte over `maxBytes`. */
  constructor(response: UwsResponse, maxBytes: number, tooLarge: () => void) {
    this.#response = response;
    this.#maxBytes = maxBytes;
    this.#tooLarge = tooLarge;
    this.stream = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        pull: () => this.#resume(),
        cancel: () => this.drop(),
      },
      { highWaterMark: MAX_WAITING_BYTES, size: (chunk) => chunk?.byteLength ?? 0 },
    );
    response.onData((chunk, isLast) => this.#take(chunk, isLast));
  }

  /** The package ends a body of less than 16 KiB a second after ten seconds, and counts them anew from here. */
  keepOpen(): void {
    if (this.#controller === null || this.#isPaused) return;
    this.#response.pause();
    this.#response.resume();
  }

  /** What still comes is read and forgotten. */
  drop(): void {
    this.#controller = null;
    this.#resume();
  }

  /** The peer has gone, or will go. The response may be over: it is not touched. */
  fail(reason: unknown): void {
    const controller = this.#controller;
    this.#controller = null;
    this.#isPaused = false;
    controller?.error(reason);
  }

  #take(chunk: ArrayBuffer, isLast: boolean): void {
    const controller = this.#controller;
    if (controller === null) return;
    this.#bytes += chunk.byteLength;
    if (this.#bytes > this.#maxBytes) {
      this.fail(new Error("the body is too large"));
      this.#tooLarge();
      return;
    }
    if (chunk.byteLength > 0) controller.enqueue(new Uint8Array(chunk.slice(0)));
    if (isLast) {
      this.#controller = null;
      controller.close();
    } else if ((controller.desiredSize ?? 0) <= 0) {
      this.#isPaused = true;
      this.#response.pause();
    }
  }

  #resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#response.resume();
  }
}
