/** HTTP/1.1 as bytes: upgrade requests, good and bad, and the answers to them. */

export interface HttpResponse {
  readonly status: number;
  /** Lower-case name → one value per header line. */
  readonly headers: ReadonlyMap<string, readonly string[]>;
  readonly body: string;
}

export interface UpgradeRequest {
  readonly path?: string;
  readonly method?: string;
  readonly headers?: readonly (readonly [name: string, value: string])[];
  /** null leaves the line out. */
  readonly host?: string | null;
  readonly key?: string | null;
  readonly version?: string | null;
  readonly connection?: string | null;
  readonly upgrade?: string | null;
}

/** The key of RFC 6455 section 1.3, whose accept value is `s3pPLMBiTxaQ9kYGzzhZRbK+xOo=`. */
export const SAMPLE_KEY = "dGhlIHNhbXBsZSBub25jZQ==";

/** The bytes of an upgrade request, good unless told otherwise. */
export function upgradeRequest(request: UpgradeRequest = {}): string {
  const lines = [`${request.method ?? "GET"} ${request.path ?? "/"} HTTP/1.1`];
  const add = (name: string, value: string | null): void => {
    if (value !== null) lines.push(`${name}: ${value}`);
  };
  add("Host", request.host === undefined ? "localhost" : request.host);
  add("Upgrade", request.upgrade === undefined ? "websocket" : request.upgrade);
  add("Connection", request.connection === undefined ? "Upgrade" : request.connection);
  add("Sec-WebSocket-Key", request.key === undefined ? SAMPLE_KEY : request.key);
  add("Sec-WebSocket-Version", request.version === undefined ? "13" : request.version);
  for (const [name, value] of request.headers ?? []) add(name, value);
  return `${lines.join("\r\n")}\r\n\r\n`;
}

/** One HTTP answer from the start of `input`; null when it is not complete. */
export function parseResponse(
  input: Buffer,
  isHead: boolean,
  ended: boolean,
): { response: HttpResponse; length: number } | null {
  const headEnd = input.indexOf("\r\n\r\n");
  if (headEnd < 0) return null;
  const [statusLine = "", ...lines] = input.toString("latin1", 0, headEnd).split("\r\n");
  const status = Number(statusLine.split(" ")[1]);
  if (!statusLine.startsWith("HTTP/1.1 ") || !Number.isInteger(status))
    throw new Error("the server sent no HTTP answer");
  const headers = new Map<string, string[]>();
  for (const line of lines) {
    const colon = line.indexOf(":");
    const name = line.slice(0, colon).toLowerCase();
    const values = headers.get(name) ?? [];
    values.push(line.slice(colon + 1).trim());
    headers.set(name, values);
  }
  const start = headEnd + 4;
  const answer = (body: Buffer, length: number): { response: HttpResponse; length: number } => {
    return { response: { status, headers, body: body.toString("utf8") }, length };
  };
  if (isHead || status === 204 || status === 304 || status < 200) return answer(Buffer.alloc(0), start);
  if (headers.get("transfer-encoding")?.includes("chunked")) {
    const chunked = parseChunks(input, start);
    return chunked === null ? null : answer(chunked.body, chunked.end);
  }
  const declared = headers.get("content-length")?.[0];
  if (declared === undefined) return ended ? answer(input.subarray(start), input.length) : null;
  const end = start + Number(declared);
  return input.length < end ? null : answer(input.subarray(start, end), end);
}

function parseChunks(input: Buffer, start: number): { body: Buffer; end: number } | null {
  const chunks: Buffer[] = [];
  let at = start;
  for (;;) {
    const lineEnd = input.indexOf("\r\n", at);
    if (lineEnd < 0) return null;
    const size = Number.parseInt(input.toString("latin1", at, lineEnd), 16);
    const dataStart = lineEnd + 2;
    if (input.length < dataStart + size + 2) return null;
    if (size === 0) return { body: Buffer.concat(chunks), end: dataStart + 2 };
    chunks.push(input.subarray(dataStart, dataStart + size));
    at = dataStart + size + 2;
  }
}
