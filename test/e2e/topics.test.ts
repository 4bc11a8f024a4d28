import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { framedOfType, nextFramed } from "../support/framed.ts";
import { answer, inbox, typesOf } from "../support/inbox.ts";
import { TestNode, token } from "../support/node.ts";
import type { RawPeer } from "../support/peer.ts";
import { onBun } from "../support/on-bun.ts";

/** Topics over real connections: conversations, wallets, a namespace of one's own, and what a removed account can no longer open. */

let node: TestNode;
let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "tautline-topics-"));
});

afterEach(async () => {
  await node.stop();
  rmSync(directory, { recursive: true, force: true });
});

const toConversation = { topics: { "conversation:42": ["read", "write"] } };

describe("a conversation", () => {
  beforeEach(async () => {
    node = await TestNode.start();
  });

  test("streams an answer token by token to everyone who has access, in JSON and in MessagePack alike", async () => {
    const writer = await node.connect("writer", toConversation);
    const reader = await node.connect("reader", { topics: { "conversation:*": ["read"] } });
    const packed = await node.upgraded({
      path: `/ws?format=msgpack&token=${token({ sub: "packed", ...toConversation })}`,
    });
    await framedOfType(packed, "connected");
    for (const [peer, id] of [
      [writer, 42],
      [reader, "42"],
      [packed, 42],
    ] as const) {
      peer.send({ type: "subscribe_conversation", conversation_id: id });
      const { frame } = await framedOfType(peer, "subscribed");
      expect(frame).toMatchObject({ topic: "conversation:42", conversation_id: id, offset: 0 });
    }
    await inbox(writer, 2);
    await inbox(reader, 1);
    for (const [index, text] of ["Hel", "lo", ""].entries()) {
      const data = { messageId: "a1", index, text, done: text === "" };
      writer.send({ type: "publish", topic: "conversation:42", event: "token", data });
    }
    const heard = (await inbox(reader, 3)).filter(({ type }) => type === "token");
    expect(heard.map(({ offset, data }) => [offset, data])).toEqual([
      [1, { messageId: "a1", index: 0, text: "Hel", done: false }],
      [2, { messageId: "a1", index: 1, text: "lo", done: false }],
      [3, { messageId: "a1", index: 2, text: "", done: true }],
    ]);
    for (const expected of heard) {
      const { framing, frame } = await framedOfType(packed, "token");
      expect([framing, frame]).toEqual(["msgpack", expected]);
    }
    expect(await answer(reader, { type: "publish", topic: "conversation:42", event: "token" })).toMatchObject({
      code: "FORBIDDEN",
    });
  });

  test("that somebody has no access to tells neither that it exists nor what it says", async () => {
    const writer = await node.connect("writer", toConversation);
    await answer(writer, { type: "subscribe", topic: "conversation:42" });
    const eve = await node.connect("eve");
    for (const type of ["subscribe", "presence", "history"]) {
      const errors = [];
      for (const name of ["conversation:42", "conversation:43", "nowhere:42"]) {
        const { timestamp, topic, ...error } = await answer(eve, { type, topic: name, id: 1 });
        expect([typeof timestamp, topic]).toEqual(["number", name]);
        errors.push(error);
      }
      expect(new Set(errors.map((error) => JSON.stringify(error))).size).toBe(1);
    }
    writer.send({ type: "publish", topic: "conversation:42", event: "token", data: "secret" });
    expect(typesOf(await inbox(writer, 2)).toSorted()).toEqual(["published", "token"]);
    expect(await inbox(eve)).toEqual([]);
    const denied = (await node.auditAfterStop()).filter(({ event }) => event === "access.denied");
    expect(denied).toHaveLength(9);
    expect(denied[0]).toMatchObject({ userId: "eve", code: "FORBIDDEN", topic: "conversation:42", level: "warning" });
  });

  test("opens by a second token of the same user, and comes back with what was missed", async () => {
    const reader = await node.connect("reader");
    const writer = await node.connect("writer", toConversation);
    const second = token({ sub: "reader", topics: { "conversation:42": ["read"] } });
    const subscribe = { type: "subscribe", topic: "conversation:42", token: second };
    const { epoch } = await answer(reader, subscribe);
    reader.destroy();
    for (const data of [1, 2]) writer.send({ type: "publish", topic: "conversation:42", event: "token", data });
    await inbox(writer, 2);
    const again = await node.connect("reader");
    expect(await answer(again, { ...subscribe, recover: { offset: 1, epoch } })).toMatchObject({
      ...{ type: "subscribed", wasRecovering: true, recovered: true, offset: 2 },
      messages: [{ type: "token", data: 2, offset: 2, from: { userId: "writer" } }],
    });
    const written = await node.writtenAfterStop();
    expect(written).not.toContain(second);
    expect(written).not.toContain(second.split(".")[2] ?? "");
  });
});

describe("the user's own topic", () => {
  test("opens with a token of its user, and for nobody else", async () => {
    node = await TestNode.start();
    const own = await node.connect("123");
    const subscribe = { type: "subscribe", topic: "user:123", token: token({ sub: "123" }) };
    expect(await answer(own, subscribe)).toMatchObject({ type: "subscribed", topic: "user:123", offset: 0 });
    const other = await node.connect("124");
    expect(await answer(other, subscribe)).toMatchObject({
      ...{ type: "error", code: "AUTH_FAILED", message: "Invalid authentication token" },
    });
    expect(await answer(other, { type: "subscribe", topic: "user:123" })).toMatchObject({
      ...{ type: "error", code: "FORBIDDEN", message: "Insufficient permissions for topic" },
    });
    expect(typesOf(await inbox(other))).toEqual([]);
  });
});

describe("a token that was good when the connection was made", () => {
  onBun("accounts")("opens no topic any more once its account is removed, and ends nothing", async () => {
    const database = `sqlite://${join(directory, "accounts.db")}`;
    node = await TestNode.start({ ACCOUNTS: "on", DATABASE_URL: database });
    const registered = await node.http("/api/register", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ username: "ada", password: "correct horse" }),
    });
    const body: unknown = await registered.json();
    const jwt = typeof body === "object" && body !== null && "token" in body ? String(body.token) : "";
    const ada = await node.upgraded({ path: `/ws?token=${jwt}` });
    await ada.jsonOfType("connected");
    const subscribe = { type: "subscribe", topic: "room:r", token: jwt };
    expect(await answer(ada, subscribe)).toMatchObject({ type: "subscribed", roomSlug: "r" });

    const env = { PATH: process.env["PATH"], DATABASE_URL: database, JWT_SECRET: "kR7vQ2xW9mB4nT6yL1pZ8cF3hJ5gD0sA" };
    const command = Bun.spawn(["bun", "src/cli.ts", "user", "remove", "ada"], {
      env,
      stdout: "ignore",
      stderr: "pipe",
    });
    expect([await command.exited, await command.stderr.text()]).toEqual([0, ""]);
    expect(await answer(ada, subscribe)).toMatchObject({ code: "AUTH_FAILED", topic: "room:r" });
    expect(await inbox(ada)).toEqual([]);
  });
});

describe("namespaces of the configuration", () => {
  const toml = `
public_topics = ["game:rules"]
[permissions]
"game.play" = ["player"]
[namespaces.game]
read = {permission = "game.play"}
write = "members"
presence = "members"
history = "none"
`;
  const subscribeTo = (peer: RawPeer, topic: string) => answer(peer, { type: "subscribe", topic });

  test("hold on real connections as they were configured", async () => {
    const file = join(directory, "tautline.toml");
    writeFileSync(file, toml);
    node = await TestNode.start({ TAUTLINE_CONFIG: file });
    const player = await node.connect("player", { role: "player" });
    const user = await node.connect("user");
    expect(await subscribeTo(player, "game:1")).toMatchObject({ type: "subscribed", topic: "game:1", userCount: 1 });
    expect(await subscribeTo(user, "game:1")).toMatchObject({ code: "FORBIDDEN" });
    expect(await subscribeTo(user, "game:rules")).toMatchObject({ type: "subscribed", topic: "game:rules" });
    expect(await subscribeTo(user, "system:status")).toMatchObject({ code: "FORBIDDEN" });
    player.send({ type: "publish", topic: "game:1", event: "moved", data: { x: 1 } });
    expect(typesOf(await inbox(player, 2)).toSorted()).toEqual(["moved", "published"]);
    expect(await answer(player, { type: "history", topic: "game:1" })).toMatchObject({ code: "FORBIDDEN" });
    expect(await answer(player, { type: "presence", topic: "game:1" })).toMatchObject({
      users: [{ userId: "player" }],
    });
    const greeted = await node.upgraded({ path: `/ws?token=${token({ role: "player" })}` });
    const { frame } = await nextFramed(greeted);
    expect(frame["user"]).toMatchObject({ permissions: ["game.play"] });
  });
});
