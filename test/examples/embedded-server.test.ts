import { afterAll, expect, test } from "bun:test";
import { ExampleProcess } from "../support/example-process.ts";
import { answer } from "../support/inbox.ts";
import { RawPeer } from "../support/peer.ts";

const OPTIONS = { conforms: "but-own" } as const;
const example = new ExampleProcess("embedded-server.ts");
afterAll(() => example.kill());

test("the embedded server chats, rolls dice for everyone in the room, and stops when asked", async () => {
  const port = await example.port();
  const [ada, bob] = [await example.after("ada "), await example.after("bob ")];
  const [first, second] = [
    await RawPeer.open(port, { path: "/ws", headers: [["Sec-WebSocket-Protocol", `auth, ${ada}`]] }, OPTIONS),
    await RawPeer.open(port, { path: `/ws?token=${bob}` }, OPTIONS),
  ];
  const byCookie = await RawPeer.open(port, {
    path: "/ws",
    headers: [
      ["Cookie", `access_token=${bob}`],
      ["Origin", "http://localhost"],
    ],
  });
  expect(await byCookie.jsonOfType("connected")).toMatchObject({ user: { id: 2, username: "bob" } });
  for (const peer of [first, second]) {
    peer.send({ type: "join_room", roomSlug: "lobby" });
    await peer.jsonOfType("room_joined");
  }
  second.send({ type: "chat_message", roomSlug: "lobby", message: "Your turn" });
  expect(await first.jsonOfType("new_message")).toMatchObject({ data: { username: "bob", message: "Your turn" } });
  first.send({ type: "dice.roll", roomSlug: "lobby", id: 1 });
  expect(await second.jsonOfType("dice.rolled")).toMatchObject({ roomSlug: "lobby", data: { by: "ada" } });
  expect(await first.jsonOfType("dice.done")).toMatchObject({ id: 1, rolls: 1 });
  expect(await answer(first, { type: "dice.roll", id: 2 })).toMatchObject({ type: "dice.refused", id: 2 });
  const stranger = await RawPeer.connect(port);
  expect((await stranger.upgrade({ path: "/ws?token=made-up" })).status).toBe(401);

  const stopping = example.stop();
  expect((await second.closed()).code).toBe(1012);
  expect(await stopping).toBe(0);
});
