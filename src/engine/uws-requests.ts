import { ERRORS } from "../protocol/codes.ts";
import type { Accept, EngineOptions, Handler, Refuse } from "./engine.ts";
import { openSocket } from "./uws-behavior.ts";
import { isWellFormedHost, listsToken, refusalOf } from "./upgrade-check.ts";
import { requestOf, writeAnswer } from "./uws-answer.ts";
import { type AnswerHead, Exchange } from "./uws-exchange.ts";
import { RequestHead } from "./uws-head.ts";
import type { UwsContext, UwsRequest, UwsResponse } from "./uws-package.ts";
import { type SocketData, UwsSocket } from "./uws-socket.ts";

const refusal = ({ status, text }: { readonly status: number; readonly text: string }): Refuse => {
  return { status, headers: {}, body: text };
};
const BAD_REQUEST = refusal(ERRORS.BAD_REQUEST);
const TOO_LARGE = refusal(ERRORS.MESSAGE_TOO_LARGE);
const NOT_ALLOWED = refusal(ERRORS.METHOD_NOT_ALLOWED);
/** Our own 431, where the package takes 64 KiB when they come in one packet. */
const HEAD_TOO_LARGE: Refuse = { status: 431, headers: {}, body: ERRORS.BAD_REQUEST.text };
const MAX_HEAD_LENGTH = 16_384;
const INTERNAL = refusal(ERRORS.INTERNAL);

/** What fetch makes no Request of. */
const UNKNOWN_TO_FETCH = new Set(["CONNECT", "TRACE", "TRACK"]);
/** No sign, no list: the package takes the first number of either. */
const LENGTH = /^\d{1,15}$/;
/** What would end a header, or is none. */
const UNSENDABLE = /[^\t\x20-\x7e\x80-\xff]/;

/** Answers what uWebSockets.js has read of a request: by an upgrade, by the application's answer, or by its own. */
export class Requests<S> {
  /** Those under way. */
  readonly open = new Set<Exchange>();
  readonly #handler: Handler<S>;
  readonly #maxBodyBytes: number;
  readonly #over = (exchange: Exchange): void => void this.open.delete(exchange);
  #endsConnections = false;

  constructor(handler: Handler<S>, { maxBodyBytes }: EngineOptions) {
    this.#handler = handler;
    this.#maxBodyBytes = maxBodyBytes;
  }

  /** From now on, or not any more, the connection of every answer ends behind it. */
  endConnections(endsConnections: boolean): void {
    this.#endsConnections = endsConnections;
  }

  /** `context` is null where the package found that the request can be no upgrade. */
  answer(response: UwsResponse, request: UwsRequest, context: UwsContext | null): void {
    const head = new RequestHead(request, response);
    const exchange = new Exchange(head, response, this.#over);
    this.open.add(exchange);
    try {
      if (head.length > MAX_HEAD_LENGTH) refuse(exchange, HEAD_TOO_LARGE);
      else if (listsToken(head.header("upgrade"), "websocket")) this.#upgrade(exchange, context);
      else this.#fetch(exchange);
    } catch (error) {
      this.#internalError(exchange, error);
    }
  }

  #upgrade(exchange: Exchange, context: UwsContext | null): void {
    const { head } = exchange;
    const malformed = refusalOf(head.method, head) ?? (context === null ? BAD_REQUEST : null);
    if (malformed !== null || context === null) {
      const answered = malformed ?? BAD_REQUEST;
      this.#handler.malformed(head, answered.status);
      return refuse(exchange, answered);
    }
    const answer = this.#handler.upgrade(head);
    if (answer instanceof Promise) void this.#settleLater(exchange, context, answer);
    else this.#settle(exchange, context, answer);
  }

  async #settleLater(exchange: Exchange, context: UwsContext, answer: Promise<Accept<S> | Refuse>): Promise<void> {
    try {
      const settled = await answer;
      // A promise may be kept before the package has read its packet to the end. Frames that it finds there it takes for HTTP, and ends the connection.
      await new Promise((resolve) => setImmediate(resolve));
      this.#settle(exchange, context, settled);
    } catch (error) {
      this.#internalError(exchange, error);
    }
  }

  /**
   * An upgrade where nothing had to wait is made at once, in the call of the package: an upgrade in a later turn is one that the package, before July
   * 2026, ends now and then (uWebSockets #1929: it looks at memory that it has given back).
   */
  #settle(exchange: Exchange, context: UwsContext, answer: Accept<S> | Refuse): void {
    if (!("session" in answer)) return refuse(exchange, answer);
    const { session, subprotocol } = answer;
    if (exchange.isOver) return this.#handler.abandoned(session);
    const headers = Object.entries(answer.headers ?? {});
    if (headers.some(([, value]) => UNSENDABLE.test(value))) {
      this.#handler.abandoned(session);
      throw new TypeError("a header of the upgrade cannot be sent");
    }
    const key = exchange.head.header("sec-websocket-key") ?? "";
    const socket = new UwsSocket(session);
    const data: SocketData<S> = { socket };
    exchange.upgrade((response) => {
      // The package writes a status of its own, and no header is written before one.
      response.writeStatus("101 Switching Protocols");
      for (const [name, value] of headers) response.writeHeader(name, value);
      response.upgrade(data, key, subprotocol ?? "", "", context);
    });
    // Behind `cork`, in which the package leaves a connection half open that the application closes.
    openSocket(this.#handler, socket);
  }

  #fetch(exchange: Exchange): void {
    const { head } = exchange;
    const host = head.header("host") ?? "";
    const refused = this.#refusalOf(head, host);
    if (refused !== null) return refuse(exchange, refused);
    const body = (): ReadableStream<Uint8Array> =>
      exchange.readBody(this.#maxBodyBytes, () => refuse(exchange, TOO_LARGE)).stream;
    // Health checks come without a host.
    const request = requestOf(exchange, host === "" ? "localhost" : host, body);
    const answer = this.#handler.fetch(request, exchange);
    void this.#answerLater(exchange, answer, head.header("upgrade") !== null);
  }

  async #answerLater(exchange: Exchange, answer: Response | Promise<Response>, ends: boolean): Promise<void> {
    try {
      const response = await answer;
      // Also an upgrade to another protocol: a proxy may have switched before it saw the refusal.
      await writeAnswer(exchange, response, ends || this.#endsConnections);
    } catch (error) {
      this.#internalError(exchange, error);
    }
  }

  #refusalOf(head: RequestHead, host: string): Refuse | null {
    if (host !== "" && !isWellFormedHost(host)) return BAD_REQUEST;
    if (UNKNOWN_TO_FETCH.has(head.method)) return NOT_ALLOWED;
    const length = head.header("content-length");
    const coding = head.header("transfer-encoding");
    // Where two servers find two ends of a request, a second one is hidden in between.
    if (length !== null && (coding !== null || !LENGTH.test(length))) return BAD_REQUEST;
    if (coding !== null && coding.toLowerCase() !== "chunked") return BAD_REQUEST;
    return Number(length ?? 0) > this.#maxBodyBytes ? TOO_LARGE : null;
  }

  #internalError(exchange: Exchange, error: unknown): void {
    try {
      this.#handler.failed(error);
      if (exchange.hasBegun) exchange.close();
      else refuse(exchange, INTERNAL);
    } catch {
      exchange.close();
    }
  }
}

function refuse(exchange: Exchange, { status, headers, body }: Refuse): void {
  const head: AnswerHead = { status, headers: Object.entries(headers), ends: true };
  exchange.send(head, body);
}
