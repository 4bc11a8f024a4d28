import type { JsonObject, RawPeer } from "./peer.ts";

/** What a peer was told, without waiting for time to pass. */

/**
 * Everything that came until now: a pong is behind it. A pong says nothing of what others did, or of messages on their way over several nodes:
 * so many frames as `atLeast` are waited for before.
 */
export async function inbox(peer: RawPeer, atLeast = 0): Promise<JsonObject[]> {
  const id = crypto.randomUUID();
  const frames: JsonObject[] = [];
  while (frames.length < atLeast) frames.push(await peer.json());
  peer.send({ type: "ping", id });
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
