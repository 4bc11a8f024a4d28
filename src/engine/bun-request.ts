import type { BunSocket } from "./bun-socket.ts";
import type { Accept, Handshake, Peer, Refuse } from "./engine.ts";
import { REQUEST_TIMEOUT_S } from "./request-timeout.ts";

/** Between Bun's Request and Response and the engine contract. */

/** Bun echoes the first subprotocol offered unless the header is set; the empty string sends none. */
const NO_SUBPROTOCOL = { "Sec-WebSocket-Protocol": "" };

/** Bun keeps the request's headers for as long as the request lives, so reading one on demand is safe after an await. */
export class RequestHandshake implements Handshake {
  readonly path: string;
  readonly query: string;
  readonly peerAddress: string;
  readonly #headers: Headers;

  constructor(request: Request, peerAddress: string) {
    const target = targetOf(request.url);
    const queryStart = target.indexOf("?");
    this.path = queryStart < 0 ? target : target.slice(0, queryStart);
    this.query = queryStart < 0 ? "" : target.slice(queryStart + 1);
    this.peerAddress = peerAddress;
    this.#headers = request.headers;
  }

  header(name: string): string | null {
    return this.#headers.get(name);
  }
}

export class RequestPeer<S> implements Peer {
  readonly address: string;
  readonly #server: Bun.Server<BunSocket<S>>;
  readonly #request: Request;

  constructor(server: Bun.Server<BunSocket<S>>, request: Request) {
    this.address = server.requestIP(request)?.address ?? "";
    this.#server = server;
    this.#request = request;
  }

  holdOpen(): void {
    this.#server.timeout(this.#request, 0);
  }

  letGo(): void {
    this.#server.timeout(this.#request, REQUEST_TIMEOUT_S);
  }
}

/** Path and query of `http://host/path?query`, or of the bare `/path?query` that Bun gives for a host which it cannot use. */
function targetOf(url: string): string {
  if (url.startsWith("/")) return url;
  const start = url.indexOf("/", "http://".length);
  return start < 0 ? "/" : url.slice(start);
}

export function withHost(request: Request): Request {
  return new Request(`http://localhost${targetOf(request.url)}`, request);
}

/** An answer after which the connection ends, so that nothing pipelined behind an upgrade request is served. */
export function refused({ status, headers, body }: Refuse): Response {
  const all = new Headers(headers);
  all.set("Connection", "close");
  return new Response(body === "" ? null : body, { status, headers: all });
}

export function acceptHeaders({ subprotocol, headers }: Accept<unknown>): Bun.HeadersInit {
  if (headers === undefined) {
    return subprotocol === null ? NO_SUBPROTOCOL : { "Sec-WebSocket-Protocol": subprotocol };
  }
  const all = new Headers(headers);
  all.set("Sec-WebSocket-Protocol", subprotocol ?? "");
  return all;
}
