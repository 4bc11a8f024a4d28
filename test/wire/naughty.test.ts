import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { isEventName } from "../../src/protocol/event-name.ts";
import { cleanText } from "../../src/protocol/text.ts";
import { isId, isRoomSlug, isTopic } from "../../src/protocol/topic.ts";
import { expectUndisturbed } from "../support/bystander.ts";
import { framedOfType } from "../support/framed.ts";
import { upgradeRequest } from "../support/http.ts";
import { inbox } from "../support/inbox.ts";
import { shortest } from "../support/msgpack-forms.ts";
import { NAUGHTY_STRINGS } from "../support/naughty-strings.ts";
import { TestNode, token } from "../support/node.ts";
import type { RawPeer } from "../support/peer.ts";
import { onBun } from "../support/on-bun.ts";

/** A list of texts that programs stumble over, in every place of a frame and a handshake: as data they pass unchanged, as names they are taken or refused. */

const TEXTS = NAUGHTY_STRINGS.map(([, text]) => text);
/** What an id of a message, a frame or an event may be as long as. */
const SHORT = TEXTS.filter((text) => text.length <= 64);

let node: TestNode;
let bystander: RawPeer;
/** Of both framings, in one room and one conversation; what the one says the other hears. */
let ada: RawPeer;
let packed: RawPeer;

const CONVERSATION = "conversation:c";
const KEY = "bN3-the-key-of-the-backend-5kVt9Qw2";

beforeAll(async () => {
  node = await TestNode.start({
    ...{ MESSAGES_PER_SECOND: "100000", MESSAGE_BURST: "100000", JOINS_PER_SECOND: "10000", JOIN_BURST: "10000" },
    ...{ HANDSHAKES_PER_SECOND: "1000", HANDSHAKE_BURST: "1000", AUTH_FAILURES_PER_MINUTE: "1000" },
    ...{ MAX_TOPICS_PER_CONNECTION: "1000", ACCOUNTS: "on", API_KEY: KEY },
  });
  bystander = await node.connect("bystander");
  const claims = { sub: "ada", username: "ada", topics: { [CONVERSATION]: ["read", "write"] } };
  ada = await node.connect("ada", claims);
  packed = await node.upgraded({ path: `/ws?token=${token(claims)}&format=msgpack` });
  await framedOfType(packed, "connected");
  for (const topic of ["room:r", CONVERSATION]) {
    ada.send({ type: "subscribe", topic });
    await ada.jsonOfType("subscribed");
    packed.binary(shortest({ type: "subscribe", topic }));
    await framedOfType(packed, "subscribed");
  }
});

afterAll(() => node.stop());

afterEach(async () => {
  await expectUndisturbed(bystander);
  expect((await node.metrics()).get("tautline_handler_failures_total")).toBe(0);
});

test("the list has every kind of text, each once and none broken", () => {
  expect(TEXTS.length).toBeGreaterThan(250);
  expect(new Set(TEXTS).size).toBe(TEXTS.length);
  expect(TEXTS.filter((text) => text === "" || !text.isWellFormed())).toEqual([]);
});

describe("as data every one arrives as it was sent, in both framings:", () => {
  test("the text of a chat message, but for control characters", async () => {
    for (const sent of TEXTS) {
      const message = cleanText(sent);
      ada.send({ type: "chat_message", roomSlug: "r", message: sent });
      expect((await ada.jsonOfType("new_message"))["data"]).toMatchObject({ message });
      expect((await framedOfType(packed, "new_message")).frame["data"]).toMatchObject({ message });
      packed.binary(shortest({ type: "chat_message", roomSlug: "r", message: sent }));
      expect((await ada.jsonOfType("new_message"))["data"]).toMatchObject({ message });
      expect((await framedOfType(packed, "new_message")).frame["data"]).toMatchObject({ message });
    }
  });

  test("the data of an event: a text, a key, a value inside of it", async () => {
    for (const text of TEXTS) {
      const key = text === "__proto__" ? "proto" : text;
      const isLong = text.length > 500;
      const data = isLong ? { text } : { text, list: [text, [text]], [key]: { [key]: text } };
      ada.send({ type: "publish", topic: CONVERSATION, event: "note", data });
      expect((await ada.jsonOfType("note"))["data"]).toEqual(data);
      expect((await framedOfType(packed, "note")).frame["data"]).toEqual(data);
      packed.binary(shortest({ type: "publish", topic: CONVERSATION, event: "note", data: text }));
      expect((await ada.jsonOfType("note"))["data"]).toBe(text);
      expect((await framedOfType(packed, "note")).frame["data"]).toBe(text);
    }
  });

  test("the data of an event of the backend, by itself and in a stream", async () => {
    const headers = { "X-API-Key": KEY, "Content-Type": "application/json" };
    for (const data of TEXTS) {
      const body = JSON.stringify({ topic: CONVERSATION, event: "note", data });
      expect((await node.http("/api/publish", { method: "POST", headers, body })).status).toBe(200);
      expect((await ada.jsonOfType("note"))["data"]).toBe(data);
      expect((await framedOfType(packed, "note")).frame["data"]).toBe(data);
    }
    const lines = TEXTS.map((data) => `${JSON.stringify(data)}\n`).join("");
    const streamed = node.http(`/api/stream/${CONVERSATION}?event=part`, {
      ...{ method: "POST", body: lines },
      headers: { ...headers, "Content-Type": "application/x-ndjson" },
    });
    for (const data of TEXTS) {
      expect((await ada.jsonOfType("part"))["data"]).toBe(data);
      expect((await framedOfType(packed, "part")).frame["data"]).toBe(data);
    }
    expect(await (await streamed).json()).toEqual({ published: TEXTS.length });
  });

  test("the ids of messages and frames", async () => {
    for (const id of SHORT) {
      ada.send({ type: "chat_message", roomSlug: "r", message: "x", messageId: id, id });
      expect(await ada.jsonOfType("message_sent")).toMatchObject({ messageId: id, id });
      expect((await framedOfType(packed, "new_message")).frame["data"]).toMatchObject({ slug: id });
      ada.send({ type: id === "ping" ? "pong" : "nothing", id });
      expect(await ada.jsonOfType("error")).toMatchObject({ code: "UNKNOWN_TYPE", id });
    }
  });

  test("the name of a user, but for what a screen would obey", async () => {
    for (const username of TEXTS.filter((text) => text.length <= 128)) {
      const one = await node.upgraded({ path: `/ws?token=${token({ sub: "named", username })}` });
      const { user } = await one.json();
      const shown = username.replace(/[\p{Cc}\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, "").trim();
      // A name of which nothing is left is the user's id.
      expect(user).toMatchObject({ username: shown === "" ? expect.any(String) : shown });
      one.destroy();
    }
  });
});

describe("as a name every one is taken or refused, and nothing else happens:", () => {
  test("of a room", async () => {
    for (const roomSlug of TEXTS) {
      ada.send({ type: "join_room", roomSlug });
      if (isRoomSlug(roomSlug)) expect(await ada.jsonOfType("room_joined")).toMatchObject({ roomSlug, userCount: 1 });
      else expect(await ada.jsonOfType("error")).toMatchObject({ code: "BAD_MESSAGE" });
    }
  });

  test("of a topic", async () => {
    for (const text of TEXTS) {
      for (const topic of [text, `room:${text}`, `${text}:x`, `user:${text}`]) {
        ada.send({ type: "subscribe", topic, id: "asked" });
        const answer = await ada.json();
        const expected = !isTopic(topic)
          ? { type: "error", code: "BAD_MESSAGE" }
          : topic.startsWith("room:")
            ? { type: "subscribed" }
            : { type: "error", code: "FORBIDDEN" };
        expect([topic, answer]).toMatchObject([topic, { ...expected, id: "asked" }]);
      }
    }
  });

  test("of an event", async () => {
    for (const event of TEXTS) {
      ada.send({ type: "publish", topic: CONVERSATION, event, data: 1, id: "asked" });
      if (isEventName(event)) expect(await ada.jsonOfType("published")).toMatchObject({ id: "asked" });
      else expect(await ada.jsonOfType("error")).toMatchObject({ code: "BAD_MESSAGE", id: "asked" });
    }
  });

  test("of a conversation, a type, a framing's field", async () => {
    for (const text of TEXTS) {
      ada.send({ type: "subscribe_conversation", conversation_id: text });
      expect(await ada.jsonOfType("error")).toMatchObject({ code: isId(text) ? "FORBIDDEN" : "BAD_MESSAGE" });
      ada.send({ type: text });
      expect(await ada.jsonOfType("error")).toMatchObject({ code: "UNKNOWN_TYPE" });
      packed.binary(shortest({ type: text }));
      expect((await framedOfType(packed, "error")).frame).toMatchObject({ code: "UNKNOWN_TYPE" });
    }
  });

  test("of a user, a topic and an event to the backend's routes", async () => {
    const headers = { "X-API-Key": KEY, "Content-Type": "application/json" };
    const post = async (path: string, body: object): Promise<number> =>
      (await node.http(path, { method: "POST", headers, body: JSON.stringify(body) })).status;
    // A segment of dots is none: clients resolve it before they send it.
    for (const text of TEXTS.filter((each) => !/^\.+$/.test(each) && each.length < 2_000)) {
      const encoded = encodeURIComponent(text);
      expect([text, await post(`/api/users/${encoded}/send`, { event: "note" })]).toEqual([
        text,
        isId(text) ? 200 : 400,
      ]);
      const topic = `room:${text}`;
      expect([text, await post("/api/publish", { topic, event: "note" })]).toEqual([text, isTopic(topic) ? 200 : 400]);
      const ofEvent = await post("/api/publish", { topic: CONVERSATION, event: text });
      expect([text, ofEvent]).toEqual([text, isEventName(text) ? 200 : 400]);
      const history = await node.http(`/api/topics/${encoded}/history`, { headers });
      expect([400, 404]).toContain(history.status);
    }
    // What was published meanwhile is nobody's to wait for.
    await inbox(ada);
  });

  test("of a user in a token", async () => {
    for (const sub of TEXTS) {
      const peer = await node.peer();
      const { status } = await peer.upgrade({ path: `/ws?token=${token({ sub })}` });
      expect([sub, status]).toEqual([sub, isId(sub) ? 101 : 401]);
      peer.destroy();
    }
  });

  onBun("accounts")("of an account, where no password is hashed for one that cannot be", async () => {
    for (const username of TEXTS.filter((text) => !/^[A-Za-z0-9_.-]{1,64}$/.test(text))) {
      const answered = await node.http("/api/register", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ username, password: "correct horse" }),
      });
      expect([400, 429]).toContain(answered.status);
    }
  });
});

test("in the path, the query and the headers of a handshake no one is more than a refusal or an upgrade", async () => {
  const statuses = new Set<number>();
  const inHeader = TEXTS.filter((text) => !/[\0-\x08\n-\x1f\x7f]/.test(text) && text.length < 100);
  const jwt = token();
  for (const text of inHeader) {
    const encoded = encodeURIComponent(text);
    const request = {
      path: `/ws?token=${jwt}&format=${encoded}&heartbeat=${encoded}&${encoded}=${encoded}`,
      headers: [
        ["User-Agent", text],
        ["X-Request-Id", text],
        ["Accept-Language", text],
      ] as const,
    };
    const peer = await node.peer();
    peer.writeRaw(Buffer.from(upgradeRequest(request)));
    statuses.add((await peer.response()).status);
    peer.destroy();
    for (const place of [`/${encoded}`, `/ws/${encoded}`, `/ws/conversation/u1/${encoded}`, `/api/ws/${encoded}`]) {
      const lost = await node.peer();
      statuses.add((await lost.upgrade({ path: `${place}?token=${jwt}` })).status);
      lost.destroy();
    }
  }
  expect([...statuses].toSorted((a, b) => a - b)).toEqual([101, 400, 404]);
});
