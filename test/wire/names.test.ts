import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { expectUndisturbed } from "../support/bystander.ts";
import { framedOfType } from "../support/framed.ts";
import { shortest } from "../support/msgpack-forms.ts";
import { TestNode, token } from "../support/node.ts";
import type { JsonObject, RawPeer } from "../support/peer.ts";
import { onBun } from "../support/on-bun.ts";

/** Names and texts from all of Unicode, to a whole node: ids are ASCII and compared byte by byte, text passes as it came. */

let node: TestNode;
let bystander: RawPeer;
let peer: RawPeer;
let packed: RawPeer;

beforeAll(async () => {
  node = await TestNode.start({
    ...{ MESSAGES_PER_SECOND: "100000", MESSAGE_BURST: "100000", JOINS_PER_SECOND: "10000", JOIN_BURST: "10000" },
    ...{
      HANDSHAKES_PER_SECOND: "1000",
      HANDSHAKE_BURST: "1000",
      AUTH_FAILURES_PER_MINUTE: "1000",
      LOG_LEVEL: "silent",
    },
  });
  bystander = await node.connect("bystander");
  peer = await node.member("ada", "r");
  packed = await node.upgraded({ path: `/ws?token=${token({ sub: "ada" })}&format=msgpack` });
  await framedOfType(packed, "connected");
});

afterAll(() => node.stop());

afterEach(async () => {
  await expectUndisturbed(bystander);
  expect((await node.metrics()).get("tautline_handler_failures_total")).toBe(0);
});

async function answer(frame: object): Promise<JsonObject> {
  peer.send(frame);
  return peer.json();
}

/** What looks like `admin` or like nothing, what changes its length when it is folded, what turns the text around it. */
const LOOKALIKES = [
  ...[
    "é",
    "e\u0301",
    "аdmin",
    "ａdmin",
    "admin\u200b",
    "adm\u0131n",
    "\u212aelvin",
    "\u017fys",
    "ⅰ",
    "ﷺ".repeat(128),
    "\u202eadmin",
  ],
  ...[
    "\ufeffadmin",
    "admin\u00ad",
    "ad\u2060min",
    "\u{e0061}",
    "👩‍👩‍👧‍👦".repeat(16),
    "a\u0000",
    "a\u001b[2J",
    "a\u0085",
    "ß",
    "İ",
    "\ufff9a",
    "a b",
    " a",
  ],
  ...[
    "<script>",
    "a'b",
    'a"b',
    "a;b",
    "a\\b",
    "{{7*7}}",
    "$(id)",
    "`id`",
    "a\nb",
    "😀",
    "\u{10ffff}",
    "",
    "*",
    "a*",
    "**",
  ],
];

describe("is no room:", () => {
  test.each(LOOKALIKES)("%j", async (name) => {
    expect(await answer({ type: "join_room", roomSlug: name })).toMatchObject({ code: "BAD_MESSAGE" });
    packed.binary(shortest({ type: "join_room", roomSlug: name }));
    expect((await framedOfType(packed, "error")).frame).toMatchObject({ code: "BAD_MESSAGE" });
  });
});

describe("is no user:", () => {
  test.each(LOOKALIKES.filter((name) => !["*", "a*", "**"].includes(name)))("%j", async (name) => {
    const stranger = await node.peer();
    expect((await stranger.upgrade({ path: `/ws?token=${token({ sub: name })}` })).status).toBe(401);
  });
});

test("names that differ in case only are different rooms and users", async () => {
  const upper = await node.member("ADMIN", "case");
  const lower = await node.member("admin", "case");
  expect(await upper.jsonOfType("user_joined")).toMatchObject({ data: { userId: "admin" } });
  lower.send({ type: "join_room", roomSlug: "CASE" });
  expect(await lower.jsonOfType("room_joined")).toMatchObject({ roomSlug: "CASE", userCount: 1 });
});

test("names of Object.prototype are rooms and users like any other", async () => {
  for (const name of ["constructor", "__proto__", "toString", "hasOwnProperty", "valueOf", "length", "then"]) {
    const member = await node.member(name, name);
    member.send({ type: "presence", roomSlug: name });
    expect(await member.jsonOfType("presence_state")).toMatchObject({ userCount: 1, users: [{ userId: name }] });
    expect(await answer({ type: name })).toMatchObject({ code: "UNKNOWN_TYPE" });
    member.destroy();
  }
});

describe("a name of a token", () => {
  test.each([
    ["controls", "a\u0000d\u001b[2Ja\u0085\u007f", "ad[2Ja"],
    ["bidirectional formatting", "\u202eada\u2066\u200f\u061c", "ada"],
    ["line and paragraph separators", "a\u2028d\u2029a", "ada"],
    ["a lone surrogate", "ada\ud800", "ada\ufffd"],
    ["half a character at the end of its 128 units", `${"a".repeat(127)}😀`, "a".repeat(127)],
    ["emoji of several characters", "👩‍👩‍👧‍👦", "👩‍👩‍👧‍👦"],
    ["markup", '<img src=x onerror="1">', '<img src=x onerror="1">'],
  ])("with %s is shown without what may harm a screen, in both framings", async (_what, username, shown) => {
    for (const format of ["json", "msgpack"]) {
      const one = await node.upgraded({ path: `/ws?token=${token({ sub: "x", username })}&format=${format}` });
      expect((await framedOfType(one, "connected")).frame).toMatchObject({ user: { username: shown } });
      one.destroy();
    }
  });
});

test("no character without a width, no control and no turn of direction is in any name, alone or inside of one", async () => {
  const unseen = [
    [0x00, 0x1f],
    [0x7f, 0x9f],
    [0xad, 0xad],
    [0x200b, 0x200f],
    [0x2028, 0x202e],
    [0x2060, 0x206f],
  ];
  const ranges = [...unseen, [0xfe00, 0xfe0f], [0xfeff, 0xfeff], [0xfff9, 0xfffb], [0xe0000, 0xe007f]];
  for (const [first = 0, last = 0] of ranges) {
    for (let code = first; code <= last; code += 1) {
      const character = String.fromCodePoint(code);
      for (const frame of [
        { type: "join_room", roomSlug: `ad${character}min` },
        { type: "subscribe", topic: `room:${character}` },
        { type: "publish", roomSlug: "r", event: `ev${character}` },
      ]) {
        expect([code, frame.type, await answer(frame)]).toMatchObject([code, frame.type, { code: "BAD_MESSAGE" }]);
      }
    }
  }
});

test("of the controls in a text only tab and newline are left", async () => {
  const all = String.fromCharCode(...Array.from({ length: 32 }, (_, code) => code));
  peer.send({ type: "chat_message", roomSlug: "r", message: `a${all}b` });
  expect((await peer.jsonOfType("new_message"))["data"]).toMatchObject({ message: "a\t\nb" });
});

test("a text is measured in UTF-16 units, behind the cleaning", async () => {
  const send = (message: string) => peer.send({ type: "chat_message", roomSlug: "r", message });
  send("😀".repeat(2_048));
  expect(await peer.jsonOfType("message_sent")).toMatchObject({ roomSlug: "r" });
  send(`${"😀".repeat(2_048)}\u0000`);
  expect(await peer.jsonOfType("message_sent")).toMatchObject({ roomSlug: "r" });
  send(`${"😀".repeat(2_048)}a`);
  expect(await peer.jsonOfType("error")).toMatchObject({ code: "MESSAGE_TOO_LARGE", limit: 4_096, actual: 4_097 });
});

test("a query is decoded once", async () => {
  const once = await node.upgraded({ path: `/ws?%74oken=${token({ sub: "q" })}&format=%6dsgpack` });
  expect((await framedOfType(once, "connected")).framing).toBe("msgpack");
  const twice = await node.upgraded({ path: `/ws?token=${token({ sub: "q" })}&format=%256dsgpack` });
  expect((await framedOfType(twice, "connected")).framing).toBe("json");
});

onBun("accounts")("accounts refuse odd names with 400 and never fail on one", async () => {
  const own = await TestNode.start({ ACCOUNTS: "on" });
  for (const username of LOOKALIKES.slice(0, 20)) {
    const answered = await own.http("/api/register", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ username, password: "correct horse" }),
    });
    expect(answered.status).toBe(400);
  }
  await own.stop();
});
