import { Client } from "../client.ts";
import type { World } from "../world.ts";

/** Visitors to whom the backend does something while they are there. */

async function member(world: World, token: string): Promise<Client> {
  const client = await Client.connect(world, token);
  await client.ask({ type: "join_room", roomSlug: world.busyRoom() });
  return client;
}

/** Its token, its session, or all of its tokens. */
export async function isRevoked(world: World): Promise<void> {
  const user = world.fresh("u");
  const [jti, sid] = [world.fresh("t"), world.fresh("s")];
  const token = world.token(user, { jti, sid });
  const client = await member(world, token);
  const kind = [{ jti }, { sid }, { sub: user }][world.random.below(3)];
  await world.backend("POST", "/api/tokens/revoke", { ...kind, expiresAt: world.nowMs + 120_000 });
  await client.endedWith(4003);
  await Client.dial(world, { query: `?token=${token}` }).endedWith(1002, 1006);
}

export async function losesPermissions(world: World): Promise<void> {
  const user = world.fresh("u");
  const topic = `conversation:${world.fresh("c")}`;
  const client = await member(world, world.token(user, { topics: { "conversation:*": ["read", "write"] } }));
  await client.ask({ type: "subscribe", topic });
  await client.ask({ type: "publish", topic, event: "said", data: "something" });
  await world.backend("PUT", `/api/users/${user}/permissions`, { topics: {} });
  await client.refused({ type: "subscribe", topic }, "FORBIDDEN");
  await world.backend("DELETE", `/api/users/${user}/permissions`);
  await client.ask({ type: "subscribe", topic });
  // Half of them are not taken back: they hold for a day.
  if (world.random.isOneIn(2)) await world.backend("PUT", `/api/users/${user}/permissions`, { roles: ["guest"] });
  await client.close();
}

export async function isDisconnected(world: World): Promise<void> {
  const user = world.fresh("u");
  const client = await member(world, world.token(user));
  await world.backend("POST", `/api/users/${user}/disconnect`, { code: 4100, reason: "enough" });
  await client.endedWith(4100);
}

/** Is put into a topic that its token does not name, and gets what is sent to it and to its followers. */
export async function isServed(world: World): Promise<void> {
  const user = world.fresh("u");
  const topic = `conversation:${world.fresh("c")}`;
  const client = await member(world, world.token(user));
  await world.backend("POST", `/api/users/${user}/subscribe`, { topic });
  await world.backend("POST", "/api/publish", { topic, event: "news", data: 1, messageId: world.fresh("m") });
  await world.backend("POST", `/api/users/${user}/send`, { event: "hint", data: { n: 1 } });
  await world.backend("POST", `/api/users/${world.fresh("f")}/followers/send`, { event: "post", to: [user] });
  await world.backend("POST", `/api/users/${user}/unsubscribe`, { topic });
  await client.cut();
}

/** The lists of the backend, while many come and go. */
export async function looksAround(world: World): Promise<void> {
  const roomSlug = world.busyRoom();
  await world.backend("GET", "/api/topics?limit=50");
  await world.backend("GET", `/api/connections?user=${world.fresh("u")}`);
  await world.backend("GET", `/api/topics/room:${roomSlug}/history?limit=5`);
  await world.backend("GET", "/ws/stats?format=rooms");
  await world.backend("GET", "/api/topics/user:nobody/presence", undefined, 404);
  await world.backend("GET", "/api/no-such-route", undefined, 404);
}

/** A streamed answer; one in three breaks off in the middle. */
export async function isStreamedTo(world: World): Promise<void> {
  const roomSlug = world.fresh("room");
  const client = await Client.connect(world, world.token(world.fresh("u")));
  await client.ask({ type: "join_room", roomSlug });
  const breaksOff = world.random.isOneIn(3);
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      for (let n = 0; n < 10; n += 1) {
        controller.enqueue(Buffer.from(`{"text":"word ${n} "}\n`));
        await Bun.sleep(20);
        if (breaksOff && n === 5) return controller.error(new Error("broke off"));
      }
      controller.close();
    },
  });
  const stream = world.backend("POST", `/api/stream/room:${roomSlug}`, body);
  await stream.catch((error: unknown) => {
    if (!breaksOff) throw error;
  });
  await client.cut();
}
