import type { Handshake } from "./engine.ts";
import type { UwsRequest, UwsResponse } from "./uws-package.ts";

/** A target that a URL parser would leave as it is: no dot segments, nothing to be encoded. */
const PLAIN_TARGET = /^\/(?!.*%2e)[\w~!$&'()*+,;=:@%/?-]*$/i;

const ASCII = /^[\t\x20-\x7e]*$/;

/** The head of a request, copied: the package's own is gone once its handler has returned. */
export class RequestHead implements Handshake {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly peerAddress: string;
  /** Of the target and the headers, as characters. */
  readonly length: number;
  readonly #headers = new Map<string, string>();

  constructor(request: UwsRequest, response: UwsResponse) {
    this.method = request.getCaseSensitiveMethod();
    const query = request.getQuery() ?? "";
    const target = targetOf(query === "" ? request.getUrl() : `${request.getUrl()}?${query}`);
    const queryStart = target.indexOf("?");
    this.path = queryStart < 0 ? target : target.slice(0, queryStart);
    this.query = queryStart < 0 ? "" : target.slice(queryStart + 1);
    this.peerAddress = addressText(response.getRemoteAddress());
    let length = target.length;
    request.forEachHeader((name, text) => {
      const before = this.#headers.get(name);
      const value = ASCII.test(text) ? text : bytesOf(text, before === undefined ? request.getHeader(name) : null);
      length += name.length + value.length;
      const separator = name === "cookie" ? "; " : ", ";
      this.#headers.set(name, before === undefined ? value : before + separator + value);
    });
    this.length = length;
  }

  get target(): string {
    return this.query === "" ? this.path : `${this.path}?${this.query}`;
  }

  header(name: string): string | null {
    return this.#headers.get(name) ?? null;
  }

  /** As fetch knows them. Throws a `TypeError` for one that cannot stand in HTTP. */
  headers(): Headers {
    const headers = new Headers();
    for (const [name, value] of this.#headers) headers.append(name, value);
    return headers;
  }
}

/** One character for each byte, as fetch has it. The loop over the headers reads UTF-8; `getHeader` bytes, but only of the first line. */
function bytesOf(text: string, firstLine: string | null): string {
  return firstLine ?? Buffer.from(text).toString("latin1");
}

/** Path and query, also of an absolute target; "/" for what no URL parser takes. */
function targetOf(raw: string): string {
  if (PLAIN_TARGET.test(raw)) return raw;
  const absolute = raw.startsWith("/") ? `http://localhost${raw}` : raw;
  if (!URL.canParse(absolute)) return "/";
  const { pathname, search } = new URL(absolute);
  return pathname + search;
}

function addressText(address: ArrayBuffer): string {
  const bytes = Buffer.from(address);
  if (bytes.length === 4) return bytes.join(".");
  if (bytes.length !== 16) return "";
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16));
  // The shortest form, as Bun has it.
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}
