import { STATUS_CODES } from "node:http";
import type { Peer } from "./engine.ts";
import { REQUEST_TIMEOUT_S } from "./request-timeout.ts";
import { RequestBody } from "./uws-body.ts";
import type { RequestHead } from "./uws-head.ts";
import type { UwsResponse } from "./uws-package.ts";

/** How often an engine looks at its exchanges: more often than the package ends a slow body, and as coarse as its own timers. */
export const SWEEP_S = 4;

export interface AnswerHead {
  readonly status: number;
  readonly headers: Iterable<readonly [string, string]>;
  /** Whether the connection ends behind the answer. */
  readonly ends: boolean;
}

/** The package writes these, as the connection needs them. */
const NOT_COPIED = new Set(["connection", "content-length", "date", "transfer-encoding"]);
const NO_BODY = new Set([204, 304]);

/** One request and its answer: everything that touches the package's response, which throws once it is over. */
export class Exchange implements Peer {
  readonly head: RequestHead;
  body: RequestBody | null = null;
  readonly #response: UwsResponse;
  readonly #over: (exchange: Exchange) => void;
  #isOver = false;
  #hasBegun = false;
  #sweepsLeft = REQUEST_TIMEOUT_S / SWEEP_S;
  #gone: AbortController | null = null;
  #wake: (() => void) | null = null;

  /** `over` is called once: when the answer has been given to the package, or the peer has gone. */
  constructor(head: RequestHead, response: UwsResponse, over: (exchange: Exchange) => void) {
    this.head = head;
    this.#response = response;
    this.#over = over;
    response.onAborted(() => this.#abort());
  }

  get address(): string {
    return this.head.peerAddress;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Whether a part of the answer is on its way, so that no other can be given. */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  /** Aborted when the peer goes away before the answer is complete. */
  get signal(): AbortSignal {
    this.#gone ??= new AbortController();
    return this.#gone.signal;
  }

  holdOpen(): void {
    this.#sweepsLeft = Number.POSITIVE_INFINITY;
  }

  letGo(): void {
    this.#sweepsLeft = REQUEST_TIMEOUT_S / SWEEP_S;
  }

  /** Every `SWEEP_S` seconds. */
  sweep(): void {
    this.#sweepsLeft -= 1;
    if (this.#sweepsLeft < 0) this.close();
    else this.body?.keepOpen();
  }

  readBody(maxBytes: number, tooLarge: () => void): RequestBody {
    this.body = new RequestBody(this.#response, maxBytes, tooLarge);
    return this.body;
  }

  /** The whole answer. One that ends the connection goes out in a later turn of the loop, so that nothing pipelined behind it is served. */
  send(head: AnswerHead, body: string | Uint8Array): void {
    if (head.ends) setImmediate(() => this.#send(head, body));
    else this.#send(head, body);
  }

  /** The beginning of an answer whose length is not known. */
  begin(head: AnswerHead): void {
    if (this.#isOver) return;
    this.#hasBegun = true;
    this.body?.drop();
    this.#response.onWritable(() => {
      this.#wake?.();
      return true;
    });
    this.#response.cork(() => this.#writeHead(head));
  }

  /** Resolves when more can be written, or when nobody is there any more. */
  write(chunk: Uint8Array): Promise<void> | undefined {
    if (this.#isOver) return undefined;
    let hasRoom = true;
    this.letGo();
    this.#response.cork(() => {
      hasRoom = this.#response.write(chunk);
    });
    if (hasRoom) return undefined;
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  /** The end of an answer that was begun. */
  end(ends: boolean): void {
    if (this.#isOver) return;
    this.#finish();
    this.#response.cork(() => this.#response.end("", ends));
  }

  /** Gives the response away to `upgrade`, which is the last that happens to it. */
  upgrade(upgrade: (response: UwsResponse) => void): void {
    this.#finish();
    this.#response.cork(() => upgrade(this.#response));
  }

  /** Ends the connection without an answer. */
  close(): void {
    if (!this.#isOver) this.#response.close();
  }

  #send(head: AnswerHead, body: string | Uint8Array): void {
    if (this.#isOver) return;
    this.body?.drop();
    this.#finish();
    this.#response.cork(() => {
      this.#writeHead(head);
      if (NO_BODY.has(head.status)) this.#response.endWithoutBody(undefined, head.ends);
      else if (this.head.method === "HEAD") this.#response.endWithoutBody(Buffer.byteLength(body), head.ends);
      else this.#response.end(body, head.ends);
    });
  }

  #writeHead({ status, headers }: AnswerHead): void {
    this.#response.writeStatus(`${status} ${STATUS_CODES[status] ?? "Unknown"}`);
    for (const [name, value] of headers)
      if (!NOT_COPIED.has(name.toLowerCase())) this.#response.writeHeader(name, value);
    // The package ends the connection of a client that has said so, and leaves out its own header.
    if (this.head.header("connection")?.toLowerCase() === "close") this.#response.writeHeader("Connection", "close");
  }

  #finish(): void {
    this.#isOver = true;
    this.#over(this);
  }

  #abort(): void {
    if (this.#isOver) return;
    this.#finish();
    const reason = new DOMException("the client has gone", "AbortError");
    this.body?.fail(reason);
    this.#gone?.abort(reason);
    this.#wake?.();
  }
}
