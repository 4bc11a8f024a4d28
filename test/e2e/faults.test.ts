import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { expectUndisturbed } from "../support/bystander.ts";
import { FaultyClock } from "../support/faulty-clock.ts";
import { TestNode, token } from "../support/node.ts";
import type { RawPeer } from "../support/peer.ts";

/**
 * Faults of ours in every place that a client's bytes lead to. The client learns an id, the log learns the rest, nobody else notices. An
 * exception that nobody caught would end these tests.
 */

const FAULT = Object.assign(new Error("SELECT secret FROM /srv/canary.ts"), { code: "SQLITE_CANARY" });

let clock: FaultyClock;
let node: TestNode;
let bystander: RawPeer;

beforeEach(async () => {
  clock = new FaultyClock(FAULT);
  node = await TestNode.start({ ACCOUNTS: "on", MESSAGE_BURST: "1000" }, { clock });
  bystander = await node.connect("bystander");
});
afterEach(() => node.stop());

async function expectCounted(failures: number): Promise<void> {
  expect(clock.thrown).toBe(failures);
  clock.faultIn = null;
  await expectUndisturbed(bystander);
  expect((await node.metrics()).get("tautline_handler_failures_total")).toBe(failures);
}

/** What the log has under that id. */
async function loggedUnder(correlationId: unknown): Promise<Record<string, unknown>[]> {
  const lines = await node.logAfterStop();
  return lines.filter((line) => line["correlationId"] === correlationId);
}

describe("a fault behind a frame", () => {
  test.each([
    ["ping", { type: "ping" }, /hub\/handlers/],
    ["join_room", { type: "join_room", roomSlug: "other" }, /at finishJoin .*hub\/join/],
    ["leave_room", { type: "leave_room", roomSlug: "r" }, /at leaveRoom .*hub\/subscribe/],
    ["chat_message", { type: "chat_message", roomSlug: "r", message: "x" }, /at send .*hub\/chat/],
    ["publish", { type: "publish", topic: "room:r", event: "note" }, /at publishEvent .*hub\/publishing/],
    ["history", { type: "history", roomSlug: "r" }, /hub\/history/],
    ["presence", { type: "presence", roomSlug: "r" }, /hub\/handlers/],
    ["refresh", { type: "refresh", token: token({ sub: "ada", jti: "new" }) }, /at tellRefreshed .*hub\/session/],
  ] as const)("in %s is told as INTERNAL with an id, and the connection goes on", async (_type, frame, where) => {
    const ada = await node.member("ada", "r");
    clock.faultIn = where;
    ada.send({ ...frame, id: "asked" });
    const error = await ada.json();
    const correlationId = error["correlationId"];
    expect(error).toMatchObject({ type: "error", code: "INTERNAL", message: "Internal error", id: "asked" });
    expect(correlationId).toMatch(/^[0-9a-f-]{36}$/);
    expect(JSON.stringify(error)).not.toMatch(/SELECT|canary|CANARY|\.ts/);
    await expectCounted(1);
    ada.send({ type: "ping", id: "still" });
    expect(await ada.json()).toMatchObject({ type: "pong", id: "still" });
    const logged = await loggedUnder(correlationId);
    expect(logged).toMatchObject([{ level: "error", error: { code: "SQLITE_CANARY", stack: expect.any(Array) } }]);
  });
});

describe("a fault behind HTTP", () => {
  test("in a handshake is 500, gives nothing away and holds nothing", async () => {
    clock.faultIn = /at upgrade .*hub\/handshakes/;
    const peer = await node.peer();
    const response = await peer.upgrade({ path: `/ws?token=${token()}` });
    clock.faultIn = null;
    expect(response.status).toBe(500);
    expect(JSON.stringify([...response.headers]) + response.body).not.toMatch(/SELECT|canary|CANARY|\.ts/);
    await peer.ended();
    await expectUndisturbed(bystander);
    const metrics = await node.metrics();
    expect([metrics.get("tautline_connections"), metrics.get("tautline_users")]).toEqual([1, 1]);
  });

  test.each([
    ["/ws/stats", { headers: { Authorization: `Bearer ${token({ role: "admin" })}` } }, /api\/stats/],
    [
      "/api/login",
      { method: "POST", headers: { "Content-Type": "application/json" }, body: '{"username":"a","password":"b"}' },
      /at #?limit .*api\/login/,
    ],
  ] as const)("in %s is 500 with an id that is in the log", async (path, init, where) => {
    clock.faultIn = where;
    const response = await node.http(path, init);
    clock.faultIn = null;
    const text = await response.text();
    expect(response.status).toBe(500);
    expect(text).not.toMatch(/SELECT|canary|CANARY|\.ts/);
    await expectUndisturbed(bystander);
    expect(await loggedUnder(JSON.parse(text).correlationId)).toHaveLength(1);
  });
});

test("a fault at the end of a connection is logged, and the connection is gone from every list all the same", async () => {
  const ada = await node.member("ada", "r");
  // In the function itself, not in what it calls: a presence that several nodes share asks for the time as well.
  clock.faultIn = /at monotonic [^\n]*\n\s*at #?forget .*hub\/hub/;
  ada.close();
  await ada.ended();
  await node.metricIs("tautline_handler_failures_total", (count) => count === 1);
  await expectCounted(1);
  const metrics = await node.metrics();
  for (const name of ["connections", "users"]) expect(metrics.get(`tautline_${name}`)).toBe(1);
  expect(metrics.get("tautline_memberships")).toBe(0);
  await node.metricIs("tautline_topics", (count) => count === 0);
});
