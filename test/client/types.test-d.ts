/** What the types of the client promise. Nothing runs: `bun run check` reads it. */
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

type Is<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function holds<_Fact extends true>(): void {
  // The types are the test.
}

declare const signal: AbortSignal;
const url = "wss://example.com/ws";

const client = connect(url, { token: () => "made-up" });
holds<Is<typeof client, Client>>();
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

/** The states, each with its own fields. */
export function said(status: Status): string {
  switch (status.state) {
    case "connecting":
      return "";
    case "connected":
      return status.connectionId;
    case "waiting":
      return new Date(status.until).toISOString() + status.why.name;
    case "closed":
      return `${status.code} ${status.name} ${status.reason}`;
  }
}
// @ts-expect-error only a connection that waits has an end of the wait
export const until = (status: Status): number => status.until;

const room = client.join("general");
const topic = client.topic("conversation:42");
holds<Is<typeof room, Room>>();
holds<Is<typeof topic, Topic>>();

const off = room.on("message", (message) => {
  holds<Is<typeof message, Message>>();
  holds<Is<typeof message.offset, number>>();
  // Whoever reads it has to check it.
  holds<Is<typeof message.data, unknown>>();
});
holds<Is<typeof off, () => void>>();
client.on("status", (status) => holds<Is<typeof status, Status>>());
client.on("error", (error) => holds<Is<typeof error, TautlineError>>());
// @ts-expect-error there is no such event
room.on("nonsense", () => undefined);
// @ts-expect-error a topic has events of names, and only rooms have chat messages
void topic.send("hello");

export async function everything(): Promise<void> {
  const sent = await room.send("hello", { signal });
  holds<Is<typeof sent, Confirmation>>();
  const published = await topic.publish("token", { text: "a" }, { messageId: "m1" });
  holds<Is<typeof published.epoch, string>>();
  const history = await room.history({ limit: 10, since: sent });
  holds<Is<typeof history, History>>();
  const presence = await room.presence({ signal });
  holds<Is<typeof presence, Presence>>();
  for await (const message of room) holds<Is<typeof message, Message>>();
  for await (const status of client.statuses({ signal })) holds<Is<typeof status, Status>>();
  await room.joined;
  room.typing(true);
  await room.leave();
  client.reconnectNow();
  await client.close();
}

// Codes of this version are known by name; a node of a later one may have others.
const error = new TautlineError("UNKNOWN_OUTCOME");
export const isUnknown = error.code === "UNKNOWN_OUTCOME";
