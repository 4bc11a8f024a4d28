import type { JsonObject, RawPeer } from "../support/peer.ts";

/** Talks to the server of `engine-server.ts`. */

export async function ask(
  peer: RawPeer,
  command: { readonly do: string; readonly [key: string]: unknown },
): Promise<JsonObject> {
  peer.send(command);
  return peer.jsonOfType(command.do);
}

export async function allEvents(control: RawPeer): Promise<string[]> {
  const { events } = await ask(control, { do: "events" });
  if (!Array.isArray(events)) throw new Error("no events");
  return events.map(String);
}

export async function eventsOf(control: RawPeer, name: string): Promise<string[]> {
  return (await allEvents(control)).filter((event) => event.split(" ")[1] === name);
}

/** Asks until the event is there; each answer is a turn of the server's loop. */
export async function eventually(control: RawPeer, event: string): Promise<void> {
  const deadline = performance.now() + 5_000;
  while (!(await allEvents(control)).includes(event)) {
    if (performance.now() > deadline)
      throw new Error(`no event "${event}" in: ${(await allEvents(control)).join("; ")}`);
  }
}

/** Until the server holds the handshake of that name. */
export async function held(control: RawPeer, name: string): Promise<void> {
  while ((await ask(control, { do: "held", text: name })).held !== true);
}

export function numberOf(message: string | Uint8Array): number {
  if (typeof message !== "string") throw new Error("expected a text");
  return Number.parseInt(message, 10);
}
