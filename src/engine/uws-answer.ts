import type { AnswerHead, Exchange } from "./uws-exchange.ts";

/** Between fetch's Request and Response and an exchange. */

const BODYLESS_METHODS = new Set(["GET", "HEAD"]);

/** Throws a `TypeError` for what fetch does not know: TRACE, CONNECT, a header with bytes that cannot stand there. */
export function requestOf(exchange: Exchange, host: string, body: () => ReadableStream<Uint8Array>): Request {
  const { head, signal } = exchange;
  const isBodyless = BODYLESS_METHODS.has(head.method);
  const init = { method: head.method, headers: head.headers(), signal };
  return new Request(`http://${host}${head.target}`, isBodyless ? init : { ...init, body: body(), duplex: "half" });
}

/** In one piece when all of it is there within a turn of the loop, else piece by piece at the pace of the peer. */
export async function writeAnswer(exchange: Exchange, response: Response, ends: boolean): Promise<void> {
  const closes = ends || response.headers.get("connection")?.toLowerCase() === "close";
  const head: AnswerHead = { status: response.status, headers: response.headers, ends: closes };
  if (response.body === null) return exchange.send(head, "");
  const reader = response.body.getReader();
  const first = await reader.read();
  if (first.done) return exchange.send(head, "");
  const next = reader.read();
  const soon = await Promise.race([next, turn()]);
  if (soon?.done === true) return exchange.send(head, first.value);
  exchange.begin(head);
  try {
    await exchange.write(first.value);
    for (let piece = await next; !piece.done && !exchange.isOver; piece = await reader.read()) {
      await exchange.write(piece.value);
    }
    exchange.end(closes);
  } finally {
    if (exchange.isOver) await reader.cancel().catch(() => undefined);
  }
}

function turn(): Promise<null> {
  return new Promise((resolve) => setImmediate(() => resolve(null)));
}
