import type { RawPeer } from "./peer.ts";
import { IS_UWS } from "./second-engine.ts";

/**
 * Writes a request that ends its connection, and another behind it that must never be answered: in one packet, or, on an engine that ends a
 * connection without an answer for that, as soon as the first one is answered.
 */
export async function writeWithAnother(peer: RawPeer, request: Uint8Array, another: string): Promise<void> {
  if (!IS_UWS) return peer.writeRaw(Buffer.concat([request, Buffer.from(another)]));
  peer.writeRaw(request);
  await peer.until("an answer", () => (peer.responses().length > 0 || peer.isEnded ? true : undefined));
  peer.writeRaw(another);
}
