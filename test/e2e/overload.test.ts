import { afterEach, expect, test } from "bun:test";
import { expectUndisturbed } from "../support/bystander.ts";
import { upgradeRequest } from "../support/http.ts";
import { TestNode, token } from "../support/node.ts";
import { oneNode, oneNodeSuite } from "../support/one-node.ts";
import type { HttpResponse } from "../support/peer.ts";
import { onBunSuite } from "../support/on-bun.ts";
import { IS_UWS } from "../support/second-engine.ts";

/** A node that has more to do than it can, or no place, or not long to live: what those hear who come meanwhile. */

let node: TestNode;

afterEach(() => node.stop());

const AS_ADA = { path: `/ws?token=${token({ sub: "ada" })}` };

/** The node of the test is in the test's own process: for so long it does nothing else. */
function keepBusy(ms: number): void {
  const endMs = performance.now() + ms;
  while (performance.now() < endMs);
}

/** The answers to handshakes that arrived while the node was busy. */
async function whileBusy(paths: readonly string[], busyMs: number): Promise<HttpResponse[]> {
  const peers = await Promise.all(paths.map(() => node.peer()));
  for (const [index, peer] of peers.entries()) peer.writeRaw(upgradeRequest({ path: paths[index] ?? "" }));
  keepBusy(busyMs);
  return Promise.all(peers.map((peer) => peer.response()));
}

function delayOf({ body, headers }: HttpResponse): number {
  const { retryAfterMs } = JSON.parse(body);
  expect(headers.get("retry-after")).toEqual([String(Math.ceil(retryAfterMs / 1_000))]);
  return retryAfterMs;
}

const answerOf = ({ status, body }: HttpResponse): unknown[] => [status, JSON.parse(body).code];

async function untilAccepted(): Promise<void> {
  for (;;) {
    const { status } = await (await node.peer()).upgrade(AS_ADA);
    if (status === 101) return;
    expect(status).toBe(503);
  }
}

(IS_UWS ? onBunSuite("inside") : oneNodeSuite("load"))("a node whose event loop is behind", () => {
  const start = async (): Promise<void> => {
    node = await TestNode.start({ OVERLOAD_DELAY_MS: "100" });
    await untilAccepted();
  };

  test("refuses new connections on every endpoint before it looks at a token, each with a delay of its own", async () => {
    await start();
    const paths = ["/", "/ws", "/api/ws", "/realtime", "/ws/ada", `/ws?token=${token()}`, "/ws?token=a.b.c"];
    const answers = await whileBusy(paths, 300);
    expect(answers.map(answerOf)).toEqual(paths.map(() => [503, "OVERLOADED"]));
    const delays = answers.map(delayOf);
    for (const delayMs of delays) expect(delayMs).toBeWithin(1_000, 2_001);
    expect(new Set(delays).size).toBeGreaterThan(1);
    const audit = await node.auditAfterStop();
    expect(audit.filter(({ event }) => event === "auth.failed")).toEqual([]);
    expect(audit).toContainEqual(expect.objectContaining({ event: "connection.refused", code: "OVERLOADED" }));
  });

  test("serves those that it has, and its HTTP routes, and says what it is in /ready and the log", async () => {
    await start();
    const bystander = await node.connect("bystander");
    await whileBusy(["/ws"], 300);
    const ready = await node.http("/ready");
    expect([ready.status, await ready.json()]).toEqual([200, { status: "ready", degraded: ["overloaded"] }]);
    expect((await node.http("/api/publish", { method: "POST" })).status).toBe(401);
    await expectUndisturbed(bystander);
    await untilAccepted();
    expect(await (await node.http("/ready")).json()).toEqual({ status: "ready" });
    await expectUndisturbed(bystander);
    expect((await node.metrics()).get('tautline_handshakes_total{result="refused",code="OVERLOADED"}')).toBeGreaterThan(
      0,
    );
    const log = await node.logAfterStop();
    const changes = log.filter(({ msg }) => msg === "event loop delay").map(({ overloaded }) => overloaded);
    expect(changes).toEqual([true, false]);
  });

  test("takes none of a storm that came meanwhile, and lets each of it come back at another time", async () => {
    await start();
    const answers = await whileBusy(
      Array.from({ length: 200 }, () => "/"),
      300,
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([503]));
    expect(new Set(answers.map(delayOf)).size).toBeGreaterThan(100);
  });
});

oneNodeSuite("limits")("a place that is not there", () => {
  test("in a full node is refused with delays that are spread", async () => {
    node = await TestNode.start({ MAX_CONNECTIONS: "1" });
    await node.connect("first");
    const delays: number[] = [];
    for (let refused = 0; refused < 20; refused += 1) {
      const answer = await (await node.peer()).upgrade(AS_ADA);
      expect(answerOf(answer)).toEqual([503, "OVERLOADED"]);
      delays.push(delayOf(answer));
    }
    for (const delayMs of delays) expect(delayMs).toBeWithin(1_000, 2_001);
    expect(new Set(delays).size).toBeGreaterThan(10);
  });

  test("among those that have not authenticated is refused with a delay, of the node and of an address", async () => {
    node = await TestNode.start({ MAX_PENDING_CONNECTIONS: "1" });
    await node.upgraded({ path: "/" });
    const full = await (await node.peer()).upgrade({ path: "/" });
    expect(answerOf(full)).toEqual([503, "OVERLOADED"]);
    expect(delayOf(full)).toBeWithin(1_000, 2_001);
    await node.stop();
    node = await TestNode.start({ AUTH_DEADLINE_MS: "10000" });
    for (let open = 0; open < 50; open += 1) await node.upgraded({ path: "/" });
    const many = await (await node.peer()).upgrade({ path: "/" });
    expect(answerOf(many)).toEqual([429, "RATE_LIMITED"]);
    expect(delayOf(many)).toBeWithin(5_000, 10_001);
  });

  test("for one more handshake of an address is refused with delays that grow with those who wait", async () => {
    node = await TestNode.start({ HANDSHAKES_PER_SECOND: "1", HANDSHAKE_BURST: "1" });
    await node.connect("first");
    const delays: number[] = [];
    for (let refused = 0; refused < 60; refused += 1) {
      const answer = await (await node.peer()).upgrade(AS_ADA);
      expect(answerOf(answer)).toEqual([429, "RATE_LIMITED"]);
      delays.push(delayOf(answer));
    }
    for (const delayMs of delays) expect(delayMs).toBeWithin(1, 30_001);
    expect(Math.max(...delays.slice(0, 2))).toBeLessThan(Math.max(...delays.slice(-30)));
  });

  test("for one more connection of a user comes with a delay wherever the endpoint tells it", async () => {
    node = await TestNode.start({ MAX_CONNECTIONS_PER_USER: "1" });
    await node.connect("ada");
    const byStatus = await (await node.peer()).upgrade(AS_ADA);
    expect(answerOf(byStatus)).toEqual([429, "CONNECTION_LIMIT"]);
    expect(delayOf(byStatus)).toBeGreaterThan(0);
    const byFrame = await node.upgraded({ path: "/" });
    byFrame.send({ type: "auth", token: token({ sub: "ada" }) });
    expect(await byFrame.json()).toMatchObject({ code: "CONNECTION_LIMIT", retryAfterMs: expect.any(Number) });
    expect((await byFrame.closed()).code).toBe(4008);
  });
});

oneNode("drain")(
  "a node that is being replaced refuses with delays for those that are left and those that were refused",
  async () => {
    node = await TestNode.start({ DRAIN_MS: "60000" });
    await Promise.all(["a", "b", "c", "d", "e"].map((user) => node.connect(user)));
    await node.beginDrain();
    const delays: number[] = [];
    for (let refused = 0; refused < 20; refused += 1) {
      const answer = await (await node.peer()).upgrade(AS_ADA);
      expect(answerOf(answer)).toEqual([503, "DRAINING"]);
      delays.push(delayOf(answer));
    }
    for (const delayMs of delays) expect(delayMs).toBeWithin(1_000, 2_001);
    expect(new Set(delays).size).toBeGreaterThan(10);
  },
);
