import { conforming } from "./conforming.ts";
import { readMessagePack } from "./msgpack-reader.ts";
import type { JsonObject, RawPeer } from "./peer.ts";

/** What a peer is told, in whichever framing it came: text is JSON, bytes are MessagePack. */

export interface Framed {
  readonly framing: "json" | "msgpack";
  readonly frame: JsonObject;
}

export async function nextFramed(peer: RawPeer, timeoutMs?: number): Promise<Framed> {
  const message = await peer.next(timeoutMs);
  const frame: unknown = typeof message === "string" ? JSON.parse(message) : readMessagePack(message);
  if (!isObject(frame)) throw new Error("a frame that is no object");
  return { framing: typeof message === "string" ? "json" : "msgpack", frame: conforming(frame) };
}

/** The next frame of that type; others before it are skipped. */
export async function framedOfType(peer: RawPeer, type: string): Promise<Framed> {
  for (;;) {
    const framed = await nextFramed(peer);
    if (framed.frame["type"] === type) return framed;
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
