import type { JsonObject, RawPeer } from "./peer.ts";

/** What a peer was told, without waiting for time to pass. */

/** Everything that came until now: a pong is behind it. */
export async function inbox(peer: RawPeer): Promise<JsonObject[]> {
  const id = crypto.randomUUID();
  peer.send({ type: "ping", id });
  const frames: JsonObject[] = [];
  for (;;) {
    const frame = await peer.json();
    if (frame["id"] === id) return frames;
    frames.push(frame);
  }
}

export async function answer(peer: RawPeer, frame: object): Promise<JsonObject> {
  peer.send(frame);
  return peer.json();
}

export function typesOf(frames: readonly JsonObject[]): string[] {
  return frames.map((frame) => String(frame["type"]));
}
