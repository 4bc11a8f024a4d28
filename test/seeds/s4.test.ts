import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { TestNode, token } from "../support/node.ts";
import { Page } from "./page.ts";
import { differences } from "./shown.ts";

/** A library's contract: three ways to bring the token, topics with permissions, two errors, metrics. */

const USER = { sub: "123", username: "ada" };
const AUTH_FAILED = { type: "error", code: "AUTH_FAILED", message: "Invalid authentication token" };
const FORBIDDEN = { type: "error", code: "FORBIDDEN", message: "Insufficient permissions for topic" };

let node: TestNode;
const pages: Page[] = [];

beforeAll(async () => {
  node = await TestNode.start();
});

afterEach(async () => {
  await Promise.all(pages.splice(0).map((opened) => opened.leave()));
});

afterAll(async () => {
  await node.stop();
});

/** A page that connects with the line of the document. */
function page(line: string): Page {
  const opened = new Page();
  pages.push(opened);
  opened.enter(line);
  return opened;
}

function connected(claims: Readonly<Record<string, unknown>> = USER): Page {
  return page(`const ws = new WebSocket("ws://127.0.0.1:${node.port}/realtime", ["auth", "${token(claims)}"]);`);
}

function subscribe(visitor: Page, topic: string, jwt: string): void {
  visitor.enter(`ws.send(JSON.stringify({ "type": "subscribe", "topic": "${topic}", "token": "${jwt}" }))`);
}

describe("the token", () => {
  test("by the URL", async () => {
    const visitor = page(`const ws = new WebSocket("ws://127.0.0.1:${node.port}/realtime?token=${token(USER)}");`);
    expect(await visitor.frame("connected")).toMatchObject({ user: { id: "123" }, endpoint: "/realtime" });
  });

  test("as a subprotocol, which is answered and never repeats the token", async () => {
    const visitor = connected();
    expect(await visitor.frame("connected")).toMatchObject({ user: { id: "123" } });
    visitor.enter("console.log(ws.protocol)");
    expect(visitor.logged).toEqual([["auth"]]);
  });

  test("by the session cookie, with the Origin of the site", async () => {
    const peer = await node.upgraded({
      path: "/realtime",
      headers: [
        ["Cookie", `theme=dark; access_token=${token(USER)}`],
        ["Origin", "http://localhost"],
      ],
    });
    expect(await peer.jsonOfType("connected")).toMatchObject({ user: { id: "123" } });
  });

  test("that is bad is refused before the upgrade, with the error as the body", async () => {
    const response = await (await node.peer()).upgrade({ path: "/realtime?token=garbage" });
    expect(response.status).toBe(401);
    expect(differences(AUTH_FAILED, JSON.parse(response.body))).toEqual([]);
    expect(JSON.parse(response.body)).toMatchObject(AUTH_FAILED);
  });
});

describe("a subscription with a token of its own", () => {
  test("is checked for the topic, and granted", async () => {
    const visitor = connected();
    await visitor.frame("connected");
    subscribe(visitor, "user:123", token(USER));
    expect(await visitor.frame("subscribed")).toMatchObject({ topic: "user:123" });
  });

  test("may open a topic that the first token does not", async () => {
    const visitor = connected();
    await visitor.frame("connected");
    subscribe(visitor, "conversation:7", token(USER));
    expect(await visitor.frame("error")).toMatchObject({ ...FORBIDDEN, topic: "conversation:7" });
    subscribe(visitor, "conversation:7", token({ ...USER, topics: { "conversation:7": ["read"] } }));
    expect(await visitor.frame("subscribed")).toMatchObject({ topic: "conversation:7" });
  });

  test("to a topic of others is refused with the error of the document", async () => {
    const visitor = connected();
    await visitor.frame("connected");
    subscribe(visitor, "user:124", token(USER));
    const frame = await visitor.frame("error");
    expect(differences(FORBIDDEN, frame)).toEqual([]);
    expect(frame).toMatchObject(FORBIDDEN);
  });

  test.each([
    ["garbage", "garbage"],
    ["another user's", token({ sub: "124" })],
    ["an expired one", token({ ...USER, exp: 1_000 })],
  ])("with %s is refused, and the connection goes on", async (_what, jwt) => {
    const visitor = connected();
    await visitor.frame("connected");
    subscribe(visitor, "user:123", jwt);
    expect(await visitor.frame("error")).toMatchObject(AUTH_FAILED);
    visitor.enter('ws.send(JSON.stringify({ type: "ping" }))');
    await visitor.frame("pong");
  });
});

describe("the metrics", () => {
  test("tell connections, throughput, authentications, permission checks and durations", async () => {
    const visitor = connected();
    await visitor.frame("connected");
    subscribe(visitor, "user:123", token(USER));
    await visitor.frame("subscribed");
    const metrics = await node.metrics();
    const names = [
      "tautline_connections",
      "tautline_users",
      "tautline_messages_in_total",
      "tautline_messages_out_total",
      'tautline_authentications_total{result="ok",code="OK"}',
      'tautline_authentications_total{result="refused",code="AUTH_FAILED"}',
      "tautline_permission_check_seconds_count",
      "tautline_connection_duration_seconds_count",
    ];
    expect(names.filter((name) => !metrics.has(name))).toEqual([]);
    expect(metrics.get("tautline_connections")).toBeGreaterThanOrEqual(1);
    expect(metrics.get("tautline_permission_check_seconds_count")).toBeGreaterThanOrEqual(1);
  });
});
