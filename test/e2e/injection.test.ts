import { afterEach, beforeEach, expect, test } from "bun:test";
import { expectUndisturbed } from "../support/bystander.ts";
import { upgradeRequest } from "../support/http.ts";
import { TestNode, token } from "../support/node.ts";
import { oneNode } from "../support/one-node.ts";
import type { RawPeer } from "../support/peer.ts";

/** What clients write where people read later: logs, the audit, statistics, metrics. */

const FORGED =
  '\n{"level":"info","event":"account.login","result":"ok","canary":"forged"}\r\u001b[2J\u001b[31m\u2028\u2029\u0085\u009b31m\u007f\u202e';
/** The same as far as a header line can hold it. */
const IN_HEADER = FORGED.replace(/[\r\n\u001b\u007f]/g, "");
const MARKUP = "<script>alert(1)</script><img src=x onerror=alert(1)>";

/** Everything that a terminal, a line reader or the eye would be led by. */
const OBEYED = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;

let node: TestNode;
let bystander: RawPeer;

beforeEach(async () => {
  node = await TestNode.start({
    LOG_LEVEL: "trace",
    ACCOUNTS: "on",
    TRUSTED_PROXIES: "127.0.0.1",
    MESSAGE_BURST: "1000",
  });
  bystander = await node.connect("bystander");
});
afterEach(() => node.stop());

/** A client that says it in every place there is. */
async function sayEverywhere(text: string, inHeader: string): Promise<void> {
  const names = { username: text, name: text, role: text, roles: [text], permissions: [text], jti: text, sid: text };
  const shown = token({ ...names, sub: "mallory" });
  const encoded = encodeURIComponent(text);
  const headers = ["User-Agent", "Origin", "X-Forwarded-For", "X-Forwarded-Host", "Referer", "X-Request-Id", "Via"].map(
    (name) => [name, inHeader] as const,
  );
  for (const path of [
    `/ws?token=${shown}&format=${encoded}`,
    `/ws?${encoded}=${encoded}`,
    `/${encoded}`,
    `/ws/${encoded}?x`,
  ]) {
    const peer = await node.peer();
    peer.writeRaw(upgradeRequest({ path, headers }));
    await peer.response();
    peer.destroy();
  }
  const byName = await node.peer();
  await byName.upgrade({ path: `/ws?token=${token({ sub: text })}` });

  const peer = await node.upgraded({ path: `/ws?token=${shown}`, headers: [["User-Agent", inHeader]] });
  await peer.jsonOfType("connected");
  const frames = [
    { type: text },
    ...["join_room", "leave_room", "chat_message", "typing", "presence", "history", "publish"].map((type) => ({
      ...{ type, roomSlug: text, message: text, messageId: text, event: text, data: text, isTyping: true },
    })),
    ...["subscribe", "unsubscribe", "publish", "history", "presence"].map((type) => ({
      type,
      topic: text,
      event: text,
    })),
    { type: "subscribe", topic: `room:${text}`, token: text },
    { type: "subscribe", topic: "conversation:c", token: text },
    { type: "subscribe_conversation", conversation_id: text },
    {
      type: "publish",
      topic: "user:ada",
      event: "note",
      data: { [text]: text },
      messageId: text.slice(0, 64),
      id: text.slice(0, 64),
    },
    { type: "refresh", token: text },
    { type: "auth", token: text },
  ];
  for (const frame of frames) peer.send(frame);
  peer.send({ type: "ping", id: "last" });
  await peer.until("the last answer", () => (peer.pendingMessages > frames.length ? true : undefined));
  peer.close(3_999, text.slice(0, 40));
  await peer.ended();

  for (const path of ["/api/login", "/api/register"]) {
    const body = JSON.stringify({ username: text.slice(0, 64), password: text });
    await node.http(path, { method: "POST", headers: { "Content-Type": "application/json" }, body });
  }
  const asAdmin = {
    Authorization: `Bearer ${token({ sub: "root", role: "admin" })}`,
    "Content-Type": "application/json",
  };
  const order = (path: string, body: object) =>
    node.http(path, { method: "POST", headers: asAdmin, body: JSON.stringify(body) });
  await order("/api/publish", { topic: "room:r", event: "note", data: text, messageId: text.slice(0, 64) });
  await order("/api/publish", { topic: text, event: text, data: text });
  await order(`/api/users/${encoded}/send`, { event: "note" });
  await order("/api/users/mallory/disconnect", { code: 4_000, reason: text.slice(0, 40) });
  await order("/api/tokens/revoke", { jti: text.slice(0, 200) });
  await node.http(`/ws/stats?format=${encoded}`, { headers: { Authorization: `Bearer ${shown}` } });
  await node.http(`/${encoded}`);
}

test("no client writes a line of its own into log or audit, nor anything that a screen obeys", async () => {
  await sayEverywhere(FORGED, IN_HEADER);
  await expectUndisturbed(bystander);
  const answers = await (await node.http("/metrics")).text();
  expect(answers).not.toContain("forged");
  expect((await node.metrics()).get("tautline_handler_failures_total")).toBe(0);
  const written = await node.writtenAfterStop();
  expect(written).not.toMatch(OBEYED);
  const lines = written.split("\n").slice(0, -1);
  expect(lines.length).toBeGreaterThan(10);
  const records = lines.map((line): Record<string, unknown> => JSON.parse(line));
  expect(records.filter((record) => "canary" in record)).toEqual([]);
  expect(records.filter(({ event, result }) => event === "account.login" && result === "ok")).toEqual([]);
  // Every line is one that the node wrote: it names the node and says when.
  expect(records.filter(({ nodeId, time }) => !/^node-[12]$/.test(String(nodeId)) || typeof time !== "string")).toEqual(
    [],
  );
});

test("markup is in no list for operators and in no answer that a browser would show as a page", async () => {
  await sayEverywhere(MARKUP, MARKUP);
  await expectUndisturbed(bystander);
  const moderator = { headers: { Authorization: `Bearer ${token({ sub: "mo", role: "moderator" })}` } };
  for (const path of ["/ws/stats", "/ws/stats?format=rooms", "/metrics", "/", "/health", "/ready", `/${MARKUP}`]) {
    const response = await node.http(path, moderator);
    expect(response.headers.get("content-type")).toMatch(/^(application\/json|text\/plain)/);
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
    expect(await response.text()).not.toMatch(/<script|onerror/);
  }
});

oneNode("numbers")(
  "rooms named with every character that a name may have are listed as they are, as JSON",
  async () => {
    const slugs = ["a:b/c|d+e=f%g,h", "%3Cscript%3E", "..", "-rf", "~@=,%", "constructor", "__proto__"];
    const peer = await node.connect("mallory");
    for (const roomSlug of slugs) peer.send({ type: "join_room", roomSlug });
    for (const roomSlug of slugs) expect(await peer.jsonOfType("room_joined")).toMatchObject({ roomSlug });
    const moderator = { headers: { Authorization: `Bearer ${token({ sub: "mo", role: "moderator" })}` } };
    const listed: unknown = await (await node.http("/ws/stats?format=rooms", moderator)).json();
    const rooms = slugs.map((slug) => ({ slug, userCount: 1 }));
    expect(listed).toMatchObject({ totalRooms: slugs.length, rooms: expect.arrayContaining(rooms) });
    const audited = (await node.auditAfterStop()).filter(({ event }) => event === "topic.joined");
    expect(audited.map(({ topic }) => topic)).toEqual(slugs.map((slug) => `room:${slug}`));
  },
);
