import { Client } from "../client.ts";
import { RawClient } from "../raw-client.ts";
import type { World } from "../world.ts";

/** Visitors who do what they should not. */

const BAD_TEXTS = ["", "{", "[]", "null", '{"type":1}', '{"type":"no_such_type"}', '{"type":"join_room"}', "\u0000"];
const BIG_DATA = "x".repeat(15_000);

export async function sendsNonsense(world: World): Promise<void> {
  const client = await Client.connect(world, world.token(world.fresh("u")));
  for (const text of BAD_TEXTS) client.sendText(text);
  await client.refused({ type: "join_room", roomSlug: "no room" }, "BAD_MESSAGE");
  await client.refused({ type: "chat_message", roomSlug: world.busyRoom(), message: "hi" }, "NOT_A_MEMBER");
  await client.refused({ type: "subscribe", topic: `wallet:${world.fresh("u")}` }, "FORBIDDEN");
  await client.close();
}

export async function sendsTooMuch(world: World): Promise<void> {
  const client = await Client.connect(world, world.token(world.fresh("u")));
  client.sendText(JSON.stringify({ type: "ping", padding: "x".repeat(70_000) }));
  await client.endedWith(1009, 1006);
}

export async function sendsTooOften(world: World): Promise<void> {
  const client = await Client.connect(world, world.token(world.fresh("u")));
  const roomSlug = world.fresh("room");
  await client.ask({ type: "join_room", roomSlug });
  for (let sent = 0; sent < 200; sent += 1)
    client.sendText(`{"type":"chat_message","roomSlug":"${roomSlug}","message":"x"}`);
  await client.endedWith(4029);
}

/** What is no frame at all: an unmasked one, an unknown opcode, the middle of nothing. */
export async function breaksTheProtocol(world: World): Promise<void> {
  const client = await RawClient.connect(world, world.token(world.fresh("u")));
  const bad = [
    [0x81, 0x01, 0x78],
    [0x8b, 0x80, 0, 0, 0, 0],
    [0x80, 0x80, 0, 0, 0, 0],
    [0x81, 0x82, 0, 0, 0, 0, 0xff, 0xfe],
  ];
  client.write(Uint8Array.from(bad[world.random.below(bad.length)] ?? []));
  await client.ended();
}

/** Asks for much, reads nothing of it, and is gone while the node waits for it. */
export async function stopsReading(world: World): Promise<void> {
  const roomSlug = world.fresh("room");
  for (let n = 0; n < 15; n += 1) {
    await world.backend("POST", "/api/publish", { roomSlug, event: "big", data: BIG_DATA });
  }
  const client = await RawClient.connect(world, world.token(world.fresh("u")));
  client.send({ type: "join_room", roomSlug });
  client.stopReading();
  for (let n = 0; n < 35; n += 1) client.send({ type: "history", roomSlug });
  await Bun.sleep(1_000);
  await client.cut();
}

/** Is in many rooms of which it reads nothing, until the node ends it. */
export async function isOverrun(world: World): Promise<void> {
  const topics = Array.from({ length: 50 }, () => `room:${world.fresh("room")}`);
  const client = await RawClient.connect(world, world.token(world.fresh("u")));
  for (const topic of topics) client.send({ type: "subscribe", topic });
  await Bun.sleep(200);
  client.stopReading();
  for (let n = 0; n < 20; n += 1) {
    await world.backend("POST", "/api/publish", { topics, event: "big", data: BIG_DATA });
  }
  await Bun.sleep(500);
  await client.cut();
}
