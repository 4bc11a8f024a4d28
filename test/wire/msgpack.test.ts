import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { expectUndisturbed } from "../support/bystander.ts";
import { framedOfType, nextFramed } from "../support/framed.ts";
import { HOSTILE_FRAMES, HOSTILE_KEYS, HOSTILE_VALUES, hex } from "../support/hostile-msgpack.ts";
import { shortest } from "../support/msgpack-forms.ts";
import { TestNode, token } from "../support/node.ts";
import type { RawPeer } from "../support/peer.ts";

/** MessagePack that is meant to hurt, sent to a running node. Every case leaves a bystander in the same room undisturbed. */

const MIB = 1_048_576;

let node: TestNode;
let bystander: RawPeer;
let peer: RawPeer;

beforeAll(async () => {
  node = await TestNode.start({
    ...{ MESSAGES_PER_SECOND: "1000000", MESSAGE_BURST: "1000000", HANDSHAKES_PER_SECOND: "1000" },
    ...{ HANDSHAKE_BURST: "1000", MAX_CONNECTIONS_PER_USER: "1000", LOG_LEVEL: "silent" },
  });
  bystander = await node.member("bystander", "r");
  peer = await node.upgraded({ path: `/ws?token=${token({ sub: "attacker" })}&format=msgpack` });
  await framedOfType(peer, "connected");
  peer.binary(shortest({ type: "join_room", roomSlug: "r" }));
  await framedOfType(peer, "room_joined");
  await bystander.jsonOfType("user_joined");
});

afterAll(() => node.stop());

beforeEach(() => expect(peer.isEnded).toBe(false));

afterEach(async () => {
  await expectUndisturbed(bystander);
  expect((await node.metrics()).get("tautline_handler_failures_total")).toBe(0);
  expect(Object.hasOwn(Object.prototype, "admin")).toBe(false);
});

/** `{"type":"ping","x":…}` with the rest given as hex. */
const ping = (entries: number, rest: string): Buffer => hex(`8${entries + 1} a474797065 a470696e67 ${rest}`);

/** One short answer that repeats nothing of what was sent, and the connection goes on. */
async function expectInvalid(bytes: Uint8Array): Promise<void> {
  peer.binary(bytes);
  const raw = await peer.next();
  expect(raw.length).toBeLessThan(200);
  peer.binary(shortest({ type: "ping", id: "on" }));
  const { frame } = await nextFramed(peer);
  expect(frame).toMatchObject({ type: "pong", id: "on" });
  expect(Buffer.from(raw).toString("latin1")).toContain("BAD_MESSAGE");
}

describe("is an invalid message, answered briefly and without what was sent:", () => {
  test.each(HOSTILE_FRAMES)("%s as a frame", (_what, bytes) => expectInvalid(hex(bytes)));
  test.each(HOSTILE_VALUES)("%s as a value", (_what, bytes) => expectInvalid(ping(1, `a178 ${bytes}`)));
  test.each(HOSTILE_KEYS)("%s as a key", (_what, bytes) => expectInvalid(ping(1, `${bytes} c3`)));

  test.each([
    ["64 KiB of nested arrays", ping(1, `a178 ${"91".repeat(65_000)}80`)],
    ["64 KiB of nested maps", ping(1, `a178 ${"81a161".repeat(21_000)}80`)],
    ["33 levels", ping(1, `a178 ${"91".repeat(31)}80`)],
    ["1,001 entries", hex(`de03e9 ${"a161c0".repeat(1_001)}`)],
    ["a room in broken UTF-8", hex("82 a474797065 a96a6f696e5f726f6f6d a8726f6f6d536c7567 a2c328")],
    ["a room that is bin", hex("82 a474797065 a96a6f696e5f726f6f6d a8726f6f6d536c7567 c40172")],
    ["a type that is an array", hex("81 a474797065 91a470696e67")],
    ["a type that is 64", hex("81 a474797065 40")],
    ["a frame id that is a fraction", ping(1, "a26964 cb3ff8000000000000")],
    ["a frame id that is 2^53", ping(1, "a26964 cf0020000000000000")],
    ["a frame id that is 65 characters long", ping(1, `a26964 d941${"61".repeat(65)}`)],
    ["a cursor that is a number", shortest({ type: "presence", roomSlug: "r", after: 5 })],
    ["a limit that is a fraction", shortest({ type: "history", roomSlug: "r", limit: 1.5 })],
    [
      "an offset that is NaN",
      hex(
        "83 a474797065 a7686973746f7279 a8726f6f6d536c7567 a172 a573696e6365 82 a66f6666736574 cb7ff8000000000000 a565706f6368 a165",
      ),
    ],
    ["isTyping as a text", shortest({ type: "typing", roomSlug: "r", isTyping: "true" })],
    ["a message that is an array of letters", shortest({ type: "chat_message", roomSlug: "r", message: ["h", "i"] })],
    ["a batch", shortest(Array.from({ length: 1_000 }, () => ({ type: "ping" })))],
  ])("%s", (_what, bytes) => expectInvalid(bytes));
});

describe("is a message like any other:", () => {
  test.each([
    ["32 levels", ping(1, `a178 ${"91".repeat(30)}80`)],
    [
      "keys of Object.prototype",
      shortest({ type: "ping", constructor: { prototype: { admin: true } }, toString: 1, then: {}, toJSON: 2 }),
    ],
    ["a type that comes twice: the last counts", hex("82 a474797065 a4 6e6f7065 a474797065 a470696e67")],
    ["lengths in the longest form", hex("df00000001 db00000004 74797065 db00000004 70696e67")],
    ["minus zero", ping(1, "a178 cb8000000000000000")],
    ["text in any script", shortest({ type: "ping", x: "é😀\u2028\ufeff\u202e\u0000" })],
  ])("%s", async (_what, bytes) => {
    peer.binary(bytes);
    expect((await nextFramed(peer)).frame).toMatchObject({ type: "pong" });
  });

  test("a frame id in any form of its number, told back as that number", async () => {
    for (const id of [
      "05",
      "cc05",
      "cd0005",
      "ce00000005",
      "cf0000000000000005",
      "d005",
      "d30000000000000005",
      "cb4014000000000000",
    ]) {
      peer.binary(ping(1, `a26964 ${id}`));
      expect((await nextFramed(peer)).frame["id"]).toBe(5);
    }
  });
});

test("of a room named twice the last one is checked and served", async () => {
  peer.binary(
    hex(
      "84 a474797065 ac636861745f6d657373616765 a8726f6f6d536c7567 a172 a8726f6f6d536c7567 a173 a76d657373616765 a178",
    ),
  );
  expect((await nextFramed(peer)).frame).toMatchObject({ code: "NOT_A_MEMBER", roomSlug: "s" });
});

test("a record that one client defines means nothing, to it or to others", async () => {
  const record = hex("d472 40 93 a161 a162 a163 01 02 03");
  for (let times = 0; times < 5; times += 1) await expectInvalid(record);
  const other = await node.connect("other");
  other.binary(hex("82 a474797065 a470696e67 a26964 40"));
  expect(await other.jsonOfType("pong")).toMatchObject({ id: 64 });
  other.destroy();
});

test("text of MessagePack reaches members of both framings as it was, and nobody gets invalid UTF-8", async () => {
  const message = 'é😀\u2028\u2029\ufeff\u202e<script>"\\\u007f\u0085';
  peer.binary(shortest({ type: "chat_message", roomSlug: "r", message, messageId: "m" }));
  expect(await bystander.json()).toMatchObject({ type: "new_message", data: { message } });
  expect((await framedOfType(peer, "new_message")).frame).toMatchObject({ data: { message } });
  expect((await framedOfType(peer, "message_sent")).frame).toMatchObject({ messageId: "m" });
});

test.each([...HOSTILE_FRAMES, ["a refused value", "81 a178 d4ff00"], ["another frame", "81 a474797065 a470696e67"]])(
  "before authentication it is told that first: %s",
  async (_what, bytes) => {
    const stranger = await node.upgraded({ path: "/?format=msgpack" });
    stranger.binary(hex(bytes));
    expect((await nextFramed(stranger)).frame).toMatchObject({ type: "error", code: "AUTH_REQUIRED" });
    stranger.destroy();
  },
);

test("5,000 frames of noise are each answered, and cost no memory", async () => {
  let state = 20_261_128;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  // What is kept, not what the process holds at the moment: its other tests have left garbage.
  Bun.gc(true);
  const before = process.memoryUsage().heapUsed;
  for (let batch = 0; batch < 50; batch += 1) {
    for (let sent = 0; sent < 100; sent += 1) {
      const bytes = Buffer.from(shortest({ type: "noise", x: [1, { y: "z".repeat(random(40)) }, 2 ** 40] }));
      for (let edit = 0; edit < 3; edit += 1) bytes[random(bytes.length)] = random(256);
      peer.binary(bytes);
    }
    for (let answered = 0; answered < 100; answered += 1) {
      expect(["BAD_MESSAGE", "UNKNOWN_TYPE"]).toContain(String((await nextFramed(peer)).frame["code"]));
    }
  }
  Bun.gc(true);
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(16 * MIB);
});

test("large arrays that are declared and not there cost no memory", async () => {
  const before = process.memoryUsage().rss;
  const declared = ping(1, `a178 ${"dcffff".repeat(21_000)}`);
  for (let times = 0; times < 20; times += 1) await expectInvalid(declared);
  // Made as declared they would be 16 MiB each.
  expect(process.memoryUsage().rss - before).toBeLessThan(150 * MIB);
});
