import type { HttpResponse } from "./http.ts";
import type { RawPeer } from "./peer.ts";

/** A POST whose body the test writes piece by piece, in chunks. */
export class ChunkedRequest {
  readonly peer: RawPeer;

  constructor(peer: RawPeer, path: string, headers: Readonly<Record<string, string>>) {
    this.peer = peer;
    const lines = Object.entries({ Host: "localhost", ...headers, "Transfer-Encoding": "chunked" });
    peer.writeRaw(`POST ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`);
  }

  write(bytes: Uint8Array | string): void {
    const chunk = Buffer.from(bytes);
    this.peer.writeRaw(Buffer.concat([Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from("\r\n")]));
  }

  end(): Promise<HttpResponse> {
    this.peer.writeRaw("0\r\n\r\n");
    return this.peer.response();
  }
}
