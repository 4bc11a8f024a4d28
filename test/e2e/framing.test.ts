import { afterEach, beforeEach, describe, expect, spyOn, test } from "bun:test";
import { jsonCodec } from "../../src/protocol/json.ts";
import { msgpackCodec } from "../../src/protocol/msgpack.ts";
import { framedOfType, nextFramed } from "../support/framed.ts";
import { shortest } from "../support/msgpack-forms.ts";
import { TestNode, token } from "../support/node.ts";
import type { RawPeer } from "../support/peer.ts";
import { onBun } from "../support/on-bun.ts";

type Framing = "json" | "msgpack";

let node: TestNode;
beforeEach(async () => {
  node = await TestNode.start({
    ...{ MESSAGES_PER_SECOND: "100000", MESSAGE_BURST: "100000", JOINS_PER_SECOND: "1000", JOIN_BURST: "1000" },
    ...{ HANDSHAKES_PER_SECOND: "1000", HANDSHAKE_BURST: "1000", MAX_CONNECTIONS_PER_USER: "100" },
  });
});
afterEach(() => node.stop());

function send(peer: RawPeer, framing: Framing, frame: object): void {
  if (framing === "json") peer.send(frame);
  else peer.binary(shortest(frame));
}

async function connect(userId: string, framing: Framing): Promise<RawPeer> {
  const jwt = token({ sub: userId, username: userId });
  const peer = await node.upgraded({ path: `/ws?token=${jwt}&format=${framing}` });
  expect((await framedOfType(peer, "connected")).framing).toBe(framing);
  return peer;
}

async function member(userId: string, framing: Framing, roomSlug = "r"): Promise<RawPeer> {
  const peer = await connect(userId, framing);
  send(peer, framing, { type: "join_room", roomSlug });
  await framedOfType(peer, "room_joined");
  return peer;
}

describe("the framing is what was negotiated", () => {
  test.each([
    ["json", "", "json", "json"],
    ["msgpack", "", "msgpack", "msgpack"],
    ["tautline.v1.json", "", "tautline.v1.json", "json"],
    ["tautline.v1.msgpack", "", "tautline.v1.msgpack", "msgpack"],
    ["soap, msgpack, json", "", "msgpack", "msgpack"],
    ["soap, json, msgpack", "msgpack", "json", "json"],
    ["soap", "msgpack", null, "msgpack"],
    ["soap", "", null, "json"],
    [null, "", null, "json"],
    [null, "json", null, "json"],
    [null, "msgpack", null, "msgpack"],
    [null, "cbor", null, "json"],
  ] as const)(
    "the offer %p with the format %p is answered %p and served in %s",
    async (offer, format, answered, framing) => {
      const peer = await node.peer();
      const response = await peer.upgrade({
        path: `/ws?token=${token()}${format === "" ? "" : `&format=${format}`}`,
        headers: offer === null ? [] : [["Sec-WebSocket-Protocol", offer]],
      });
      expect(response.status).toBe(101);
      expect(response.headers.get("sec-websocket-protocol")).toEqual(answered === null ? undefined : [answered]);
      const greeting = await nextFramed(peer);
      expect(greeting).toMatchObject({ framing, frame: { type: "connected", user: { id: "u1" } } });
      send(peer, framing, { type: "ping", id: 7 });
      expect(await nextFramed(peer)).toMatchObject({ framing, frame: { type: "pong", id: 7 } });
    },
  );

  test("and auth counts as JSON only when no framing stands beside it", async () => {
    const alone = await node.peer();
    const jwt = token();
    const first = await alone.upgrade({ headers: [["Sec-WebSocket-Protocol", `auth, ${jwt}`]], path: "/ws" });
    expect(first.headers.get("sec-websocket-protocol")).toEqual(["auth"]);
    expect((await nextFramed(alone)).framing).toBe("json");
    const beside = await node.peer();
    const second = await beside.upgrade({
      headers: [["Sec-WebSocket-Protocol", `auth, ${jwt}, msgpack`]],
      path: "/ws",
    });
    expect(second.headers.get("sec-websocket-protocol")).toEqual(["msgpack"]);
    expect((await nextFramed(beside)).framing).toBe("msgpack");
  });
});

describe("a client may send either kind of frame, and is answered in its own", () => {
  test.each([
    ["json", "msgpack"],
    ["msgpack", "json"],
  ] as const)("negotiated %s, sends %s", async (negotiated, sent) => {
    const peer = await member("ada", negotiated);
    const other = await member("bob", sent);
    expect(await framedOfType(peer, "user_joined")).toMatchObject({ framing: negotiated });
    send(peer, sent, { type: "chat_message", roomSlug: "r", message: "é😀", messageId: "m1" });
    expect(await framedOfType(other, "new_message")).toMatchObject({
      framing: sent,
      frame: { data: { message: "é😀" } },
    });
    expect(await framedOfType(peer, "new_message")).toMatchObject({ framing: negotiated });
    const errors = [
      [{ type: "chat_message", roomSlug: "elsewhere", message: "x", messageId: "m2" }, "NOT_A_MEMBER"],
      [{ type: "nothing", id: 5 }, "UNKNOWN_TYPE"],
      [{ type: "join_room", roomSlug: "é" }, "BAD_MESSAGE"],
    ] as const;
    for (const [frame, code] of errors) {
      send(peer, sent, frame);
      expect(await framedOfType(peer, "error")).toMatchObject({ framing: negotiated, frame: { code } });
    }
  });

  test("also with a frame that cannot be read", async () => {
    const packed = await connect("ada", "msgpack");
    packed.text("{");
    packed.binary(Uint8Array.of(0xc1));
    for (let frames = 0; frames < 2; frames += 1) {
      expect(await nextFramed(packed)).toMatchObject({ framing: "msgpack", frame: { code: "BAD_MESSAGE" } });
    }
  });
});

test("acknowledgements, presence, typing and a user's own topics come in the negotiated framing", async () => {
  const ada = await member("ada", "msgpack");
  const bob = await member("bob", "json");
  expect(await nextFramed(ada)).toMatchObject({ framing: "msgpack", frame: { type: "user_joined", roomSlug: "r" } });
  send(bob, "json", { type: "typing", roomSlug: "r", isTyping: true });
  expect(await nextFramed(ada)).toMatchObject({ framing: "msgpack", frame: { type: "typing", username: "bob" } });
  send(ada, "msgpack", { type: "typing", roomSlug: "r", isTyping: true });
  expect(await nextFramed(bob)).toMatchObject({ framing: "json", frame: { type: "typing", username: "ada" } });
  send(ada, "msgpack", { type: "presence", roomSlug: "r", id: "p" });
  expect(await nextFramed(ada)).toMatchObject({
    framing: "msgpack",
    frame: { type: "presence_state", id: "p", userCount: 2, users: [{ userId: "ada" }, { userId: "bob" }] },
  });
  send(ada, "msgpack", { type: "chat_message", roomSlug: "r", message: "x", messageId: "m" });
  expect(await framedOfType(ada, "message_sent")).toMatchObject({
    framing: "msgpack",
    frame: { messageId: "m", offset: 1 },
  });
  send(ada, "msgpack", { type: "refresh", token: token({ sub: "ada" }) });
  expect(await framedOfType(ada, "auth_refreshed")).toMatchObject({
    framing: "msgpack",
    frame: { kept: ["user:ada", "room:r"] },
  });
  send(ada, "msgpack", { type: "leave_room", roomSlug: "r" });
  expect(await nextFramed(ada)).toMatchObject({ framing: "msgpack", frame: { type: "room_left" } });
  expect(await framedOfType(bob, "user_left")).toMatchObject({ framing: "json" });
});

describe("what the node says of itself comes in the negotiated framing:", () => {
  test("a refused token by frame, with its close", async () => {
    const peer = await node.upgraded({ path: "/?token=a.b.c&format=msgpack" });
    expect(await nextFramed(peer)).toMatchObject({
      framing: "msgpack",
      frame: { type: "auth_error", code: "AUTH_FAILED" },
    });
    expect((await peer.closed()).code).toBe(4001);
  });

  test("authentication by the first frame, refused and granted", async () => {
    const peer = await node.upgraded({ path: "/?format=msgpack" });
    send(peer, "msgpack", { type: "ping" });
    expect(await nextFramed(peer)).toMatchObject({ framing: "msgpack", frame: { code: "AUTH_REQUIRED" } });
    send(peer, "msgpack", { type: "auth", token: token({ sub: "ada" }), id: 1 });
    expect(await nextFramed(peer)).toMatchObject({ framing: "msgpack", frame: { type: "auth_success", id: 1 } });
  });

  test("a first frame over 8 KiB ends the connection whatever its kind", async () => {
    const peer = await node.upgraded({ path: "/?format=msgpack" });
    send(peer, "msgpack", { type: "auth", token: "x".repeat(8_192) });
    expect((await peer.closed()).code).toBe(1009);
  });

  test("the drain", async () => {
    const peer = await connect("ada", "msgpack");
    const drained = node.drain();
    expect(await nextFramed(peer)).toMatchObject({ framing: "msgpack", frame: { type: "server_draining" } });
    expect((await peer.closed()).code).toBe(1012);
    await drained;
  });

  test("pings as frames", async () => {
    const own = await TestNode.start({ PING_INTERVAL_MS: "200", PONG_TIMEOUT_MS: "2000" });
    const peer = await own.upgraded({ path: `/ws?token=${token()}&format=msgpack&heartbeat=message` });
    expect(await framedOfType(peer, "ping")).toMatchObject({ framing: "msgpack" });
    send(peer, "msgpack", { type: "pong" });
    expect(await framedOfType(peer, "ping")).toMatchObject({ framing: "msgpack" });
    await own.stop();
  });
});

test("bytes cost as much as text: one token per started 4 KiB", async () => {
  const own = await TestNode.start({ MESSAGES_PER_SECOND: "1", MESSAGE_BURST: "20" });
  for (const framing of ["json", "msgpack"] as const) {
    const peer = await own.upgraded({ path: `/ws?token=${token({ sub: framing })}&format=${framing}` });
    await nextFramed(peer);
    // Three tokens each, and five for a frame that pays before it is read: the last one finds nothing left.
    const costs = [10_000, 10_000, 10_000, 10_000, 20_000, 8_500, 8_500];
    for (const bytes of costs) send(peer, framing, { type: "ping", x: "a".repeat(bytes) });
    const answers = [];
    for (const _ of costs) answers.push((await nextFramed(peer)).frame);
    expect(answers.map((answer) => answer["code"] ?? answer["type"])).toEqual([
      ...Array.from({ length: 6 }, () => "pong"),
      "RATE_LIMITED",
    ]);
  }
  await own.stop();
});

onBun("inside")(
  "500 members of both framings see the same messages, in one order, each encoded once per framing",
  async () => {
    const USERS = 10;
    const PER_USER = 50;
    const MESSAGES = 40;
    // Several connections of few users: their joins are not announced to each other.
    const peers: { peer: RawPeer; framing: Framing }[] = [];
    for (let user = 0; user < USERS; user += 1) {
      const joined = Array.from({ length: PER_USER }, async (_, index) => {
        const framing = index % 2 === 0 ? ("msgpack" as const) : ("json" as const);
        return { peer: await member(`u${user}`, framing), framing };
      });
      peers.push(...(await Promise.all(joined)));
    }
    const textOf = (sent: number): string => `${sent} é😀 ${"x".repeat(sent * 7)} "quoted" \u2028`;
    const packed = spyOn(msgpackCodec, "encodePositioned");
    const text = spyOn(jsonCodec, "encodePositioned");
    try {
      for (let sent = 0; sent < MESSAGES; sent += 1) {
        const sender = peers[(sent * 37) % peers.length];
        if (sender === undefined) throw new Error("nobody");
        const message = { type: "chat_message", roomSlug: "r", message: textOf(sent), messageId: `m${sent}` };
        send(sender.peer, sender.framing, message);
      }
      let expected: string[] | null = null;
      for (const { peer, framing } of peers) {
        const messages: string[] = [];
        while (messages.length < MESSAGES) {
          const received = await framedOfType(peer, "new_message");
          if (received.framing !== framing) throw new Error("another framing");
          messages.push(JSON.stringify(received.frame));
        }
        expected ??= messages;
        if (!Bun.deepEquals(messages, expected)) expect(messages).toEqual(expected);
      }
      const parsed = (expected ?? []).map((message) => JSON.parse(message));
      expect(parsed.map(({ offset }) => offset)).toEqual(Array.from({ length: MESSAGES }, (_, index) => index + 1));
      expect(new Set(parsed.map(({ epoch }) => epoch)).size).toBe(1);
      // Of many senders, so in any order.
      expect(new Map(parsed.map(({ data }) => [data.slug, data.message]))).toEqual(
        new Map(parsed.map((_, sent) => [`m${sent}`, textOf(sent)])),
      );
      expect(parsed.every(({ offset, data }) => data.id === offset)).toBe(true);
      expect(packed).toHaveBeenCalledTimes(MESSAGES);
      expect(text).toHaveBeenCalledTimes(MESSAGES);
    } finally {
      packed.mockRestore();
      text.mockRestore();
    }
  },
  20_000,
);
