import type { RawPeer } from "./peer.ts";

let asked = 0;

/** The bystander check: a connection that did nothing wrong, to a server that echoes texts, gets its echo within a second. */
export async function expectServed(peer: RawPeer): Promise<void> {
  const text = `still there ${asked++}`;
  peer.text(text);
  const deadline = performance.now() + 1_000;
  while ((await peer.next(Math.max(1, deadline - performance.now()))) !== text);
}

/** The same of a node: its pong comes within a second, and in front of it nothing, for nothing was meant for this connection. */
export async function expectUndisturbed(peer: RawPeer): Promise<void> {
  const id = `still there ${asked++}`;
  peer.send({ type: "ping", id });
  const frame = await peer.json(1_000);
  if (frame["type"] !== "pong" || frame["id"] !== id) throw new Error(`the bystander got ${JSON.stringify(frame)}`);
}
