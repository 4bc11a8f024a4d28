import { Client } from "../client.ts";
import type { World } from "../world.ts";

/** Visitors who do what clients are there for. */

/** A room that nobody was in before and one where many are: speaks, types, looks around, leaves, says goodbye. */
export async function chats(world: World): Promise<void> {
  await talk(world, []);
}

export async function chatsInMessagePack(world: World): Promise<void> {
  await talk(world, ["msgpack"]);
}

async function talk(world: World, protocols: readonly string[]): Promise<void> {
  const user = world.fresh("u");
  const client = await Client.connect(
    world,
    world.token(user, { role: "user", follows: [world.fresh("f")] }),
    protocols,
  );
  const own = world.fresh("room");
  for (const roomSlug of [own, world.busyRoom()]) {
    await client.ask({ type: "join_room", roomSlug });
    client.send({ type: "typing", roomSlug, isTyping: true });
    await client.ask({ type: "chat_message", roomSlug, message: `hello from ${user}`, messageId: world.fresh("m") });
    await client.ask({ type: "publish", roomSlug, event: "drawn", data: { points: [1, 2, 3], by: user } });
  }
  await world.pause(500);
  await client.ask({ type: "presence", roomSlug: own });
  await client.ask({ type: "history", roomSlug: own, limit: 10 });
  await client.ask({ type: "ping" });
  await world.pause(500);
  // Half of them leave first; the others only go.
  if (world.random.isOneIn(2)) await client.ask({ type: "leave_room", roomSlug: own });
  await client.close();
}

/** Is cut off, comes back within the grace period or after it, and recovers what it has missed. */
export async function breaksAndRecovers(world: World): Promise<void> {
  const token = world.token(world.fresh("u"));
  const roomSlug = world.busyRoom();
  const rooms = [roomSlug, world.fresh("room")];
  const first = await Client.connect(world, token);
  for (const slug of rooms) {
    await first.ask({ type: "join_room", roomSlug: slug });
    await first.ask({ type: "chat_message", roomSlug: slug, message: "before the cut" });
  }
  await world.pause(300);
  await first.cut();
  await world.pause(2_000);
  const second = await Client.connect(world, token);
  for (const slug of rooms) {
    await second.ask({ type: "join_room", roomSlug: slug, recover: first.positions.get(slug) });
  }
  await world.pause(300);
  if (world.random.isOneIn(2)) await second.cut();
  else await second.close();
}

/** Several connections of one user; each ends in another way. */
export async function hasSeveralConnections(world: World): Promise<void> {
  const token = world.token(world.fresh("u"));
  const roomSlug = world.fresh("room");
  const clients = await Promise.all([1, 2, 3].map(() => Client.connect(world, token)));
  for (const client of clients) await client.ask({ type: "join_room", roomSlug });
  const [first, second, third] = clients;
  await Promise.all([first?.cut(), second?.close(1000), third?.close(4000)]);
}

/** Many topics at once, left with the connection. */
export async function joinsManyRooms(world: World): Promise<void> {
  const client = await Client.connect(world, world.token(world.fresh("u")));
  await Promise.all(Array.from({ length: 60 }, () => client.ask({ type: "join_room", roomSlug: world.fresh("room") })));
  await world.pause(300);
  await client.cut();
}
