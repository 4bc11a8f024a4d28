import { afterEach, beforeEach, expect, test } from "bun:test";
import { until } from "../auth/tokens.ts";
import { FakeClock } from "../support/clock.ts";
import { Embedded } from "../support/embedded.ts";
import { allow, deny, type HookAnswer, HookServer, stall } from "../support/hook-server.ts";
import { answer, inbox, typesOf } from "../support/inbox.ts";
import { SECRET, TestNode, token } from "../support/node.ts";
import { onBun } from "../support/on-bun.ts";

/** A node whose backend decides, over a real hook. */

let hook: HookServer;
let node: TestNode;

beforeEach(async () => {
  hook = await HookServer.start();
  node = await TestNode.start({ AUTHORIZER_URL: hook.url, AUTHORIZER_TOKEN: "c4nary-hook-token" });
});

afterEach(async () => {
  await node.stop();
  await hook.stop();
});

const topicOf = (body: unknown): unknown => Object.assign({ topic: null }, body).topic;

test("the hook decides on every topic, and what it allows works like any other topic", async () => {
  hook.answer = (asked, count) => (topicOf(asked.body) === "game:1" ? allow : deny)(asked, count);
  const ada = await node.connect("ada", { role: "player", permissions: ["game.play"] });
  expect(await answer(ada, { type: "subscribe", topic: "game:1" })).toMatchObject({ type: "subscribed", userCount: 1 });
  ada.send({ type: "publish", topic: "game:1", event: "moved" });
  expect(typesOf(await inbox(ada, 2)).toSorted()).toEqual(["moved", "published"]);
  expect(await answer(ada, { type: "join_room", roomSlug: "r" })).toMatchObject({ code: "FORBIDDEN", roomSlug: "r" });
  const question = { userId: "ada", username: "ada", roles: ["player"], permissions: ["game.play"] };
  expect(hook.asked.map(({ body }) => body)).toEqual([
    { ...question, action: "read", topic: "game:1" },
    { ...question, action: "write", topic: "game:1" },
    { ...question, action: "read", topic: "room:r" },
  ]);
  expect(hook.asked[0]?.request.headers.authorization).toBe("Bearer c4nary-hook-token");
  const metrics = await node.metrics();
  expect(metrics.get('tautline_authorizer_requests_total{result="allowed"}')).toBe(2);
  expect(metrics.get('tautline_authorizer_requests_total{result="denied"}')).toBe(1);
  expect(metrics.get("tautline_authorizer_seconds_count")).toBe(3);
});

test("frames behind a question are answered in their order once the hook has answered", async () => {
  hook.answer = stall;
  const ada = await node.connect("ada");
  ada.send({ type: "join_room", roomSlug: "r", id: 1 });
  ada.send({ type: "chat_message", roomSlug: "r", message: "hi", id: 2 });
  ada.send({ type: "ping", id: 3 });
  const other = await node.connect("other");
  expect(await answer(other, { type: "ping", id: 1 })).toMatchObject({ type: "pong" });
  hook.answer = allow;
  for (const asked of [...hook.asked]) allow(asked, 0);
  expect(await ada.jsonOfType("room_joined")).toMatchObject({ id: 1 });
  expect(await ada.jsonOfType("message_sent")).toMatchObject({ id: 2 });
  expect(await ada.jsonOfType("pong")).toMatchObject({ id: 3 });
});

test.each([
  ["answers with an error", (({ response }) => void response.writeHead(500).end()) satisfies HookAnswer],
  ["answers nonsense", (({ response }) => void response.end("<html>")) satisfies HookAnswer],
  ["breaks off", (({ request }) => void request.socket.destroy()) satisfies HookAnswer],
])("a hook that %s denies, and nothing of it gets into logs or answers", async (_what, broken) => {
  hook.answer = broken;
  const ada = await node.connect("ada");
  expect(await answer(ada, { type: "join_room", roomSlug: "r" })).toEqual({
    ...{ type: "error", code: "FORBIDDEN", message: "Insufficient permissions for topic", roomSlug: "r" },
    timestamp: expect.any(Number),
  });
  expect((await node.metrics()).get('tautline_authorizer_requests_total{result="failed"}')).toBe(1);
  const written = await node.writtenAfterStop();
  expect(written).toContain('"reason":"failed"');
  for (const secret of ["c4nary", hook.url, "<html>"]) expect(written).not.toContain(secret);
});

onBun("clock")("a hook that does not answer in two seconds denies", async () => {
  const clock = new FakeClock(Date.now());
  const own = await TestNode.start({ AUTHORIZER_URL: hook.url }, { clock });
  hook.answer = stall;
  const ada = await own.connect("ada");
  ada.send({ type: "join_room", roomSlug: "r" });
  await until(() => hook.asked.length === 1);
  clock.advance(2_000);
  expect(await ada.jsonOfType("error")).toMatchObject({ code: "FORBIDDEN" });
  expect((await own.metrics()).get('tautline_authorizer_requests_total{result="timeout"}')).toBe(1);
  await own.stop();
});

test("a refresh asks anew, and topics that the hook denies now are left", async () => {
  const ada = await node.connect("ada");
  await answer(ada, { type: "join_room", roomSlug: "r" });
  hook.answer = deny;
  ada.send({ type: "refresh", token: token({ sub: "ada", role: "guest" }) });
  expect(await ada.jsonOfType("unsubscribed")).toMatchObject({ roomSlug: "r", code: "FORBIDDEN" });
  expect(await ada.jsonOfType("auth_refreshed")).toMatchObject({ lost: ["room:r"], kept: ["user:ada"] });
});

test("a node that stops does not wait for the hook", async () => {
  hook.answer = stall;
  const ada = await node.connect("ada");
  ada.send({ type: "join_room", roomSlug: "r" });
  await until(() => hook.asked.length === 1);
  await node.halt();
  expect(await node.logAfterStop()).not.toContainEqual(expect.objectContaining({ reason: "failed" }));
});

test("a server inside of an application asks the hook of its settings as well", async () => {
  hook.answer = (asked, count) => (topicOf(asked.body) === "game:1" ? allow : deny)(asked, count);
  const embedded = await Embedded.start({ jwtSecret: SECRET, authorizerUrl: hook.url });
  const ada = await embedded.connect(token({ sub: "ada" }));
  expect(await answer(ada, { type: "subscribe", topic: "game:1" })).toMatchObject({ type: "subscribed" });
  expect(await answer(ada, { type: "join_room", roomSlug: "r" })).toMatchObject({ code: "FORBIDDEN" });
  await embedded.stop();
});
