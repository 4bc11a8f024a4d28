/** What the types of the client promise. Nothing runs: `bun run check` reads it. */
import { expectTypeOf } from "bun:test";
import {
  type Client,
  type Confirmation,
  connect,
  type History,
  type Message,
  type Presence,
  type Room,
  type Status,
  TautlineError,
  type Topic,
} from "tautline/client";

declare const signal: AbortSignal;
const url = "wss://example.com/ws";

const client = connect(url, { token: () => "made-up" });
expectTypeOf(client).toEqualTypeOf<Client>();
connect(url, { token: async () => "made-up", auth: "first-message", format: "msgpack", signal });
connect(url, { ticket: async () => "made-up", backoff: { minDelayMs: 100 }, maxQueuedMessages: 10, WebSocket });
// @ts-expect-error one of both has to be there
connect(url, {});
// @ts-expect-error and not both
connect(url, { token: () => "made-up", ticket: () => "made-up" });
// @ts-expect-error a token is a string
connect(url, { token: () => 42 });
// @ts-expect-error there are two framings
connect(url, { token: () => "made-up", format: "xml" });

/** The states, each with its own fields, and no other state. */
export const said: { readonly [S in Status["state"]]: (status: Extract<Status, { state: S }>) => string } = {
  connecting: ({ attempt }) => String(attempt),
  connected: ({ nodeId = "" }) => nodeId,
  waiting: ({ until, why }) => new Date(until).toISOString() + why.name,
  closed: ({ code, name, reason }) => `${code} ${name} ${reason}`,
};
// @ts-expect-error only a connection that waits has an end of the wait
export const untilOf = (status: Status): number => status.until;

const room = client.join("general");
const topic = client.topic("conversation:42");
client.topic("conversation:43", { signal, token: async () => "made-up", recover: { offset: 1, epoch: "e1" } });
expectTypeOf(room).toEqualTypeOf<Room>();
expectTypeOf(topic).toEqualTypeOf<Topic>();

const off = room.on("message", (message) => {
  expectTypeOf(message).toEqualTypeOf<Message>();
  expectTypeOf(message.offset).toEqualTypeOf<number>();
  // Whoever reads it has to check it.
  expectTypeOf(message.data).toEqualTypeOf<unknown>();
});
expectTypeOf(off).toEqualTypeOf<() => void>();
client.on("status", (status) => expectTypeOf(status).toEqualTypeOf<Status>());
client.on("error", (error) => expectTypeOf(error).toEqualTypeOf<TautlineError>());
// @ts-expect-error there is no such event
room.on("nonsense", () => undefined);
// @ts-expect-error a topic has events of names, and only rooms have chat messages
void topic.send("hello");

export async function everything(): Promise<void> {
  const sent = await room.send("hello", { signal });
  expectTypeOf(sent).toEqualTypeOf<Confirmation>();
  const published = await topic.publish("token", { text: "a" }, { messageId: "m1" });
  expectTypeOf(published.epoch).toEqualTypeOf<string>();
  const history = await room.history({ limit: 10, since: sent });
  expectTypeOf(history).toEqualTypeOf<History>();
  const presence = await room.presence({ signal });
  expectTypeOf(presence).toEqualTypeOf<Presence>();
  for await (const message of room) expectTypeOf(message).toEqualTypeOf<Message>();
  for await (const status of client.statuses({ signal })) expectTypeOf(status).toEqualTypeOf<Status>();
  await room.joined;
  room.typing(true);
  await room.leave();
  client.reconnectNow();
  await client.close();
}

// Codes of this version are known by name; a node of a later one may have others.
const error = new TautlineError("UNKNOWN_OUTCOME");
export const isUnknown = error.code === "UNKNOWN_OUTCOME";
