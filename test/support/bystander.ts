import type { RawPeer } from "./peer.ts";

let asked = 0;

/** The bystander check: a connection that did nothing wrong, to a server that echoes texts, gets its echo within a second. */
export async function expectServed(peer: RawPeer): Promise<void> {
  const text = `still there ${asked++}`;
  peer.text(text);
  const deadline = performance.now() + 1_000;
  while ((await peer.next(Math.max(1, deadline - performance.now()))) !== text);
}
