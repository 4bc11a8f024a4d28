import { afterEach, expect, test } from "bun:test";
import { expectUndisturbed } from "../support/bystander.ts";
import { TestNode, token } from "../support/node.ts";
import { IS_UWS } from "../support/second-engine.ts";

/** Prometheus keeps every series for as long as it keeps anything: no client may add one. */

const TIMES = 10_000;
const AT_ONCE = 500;

let node: TestNode;
afterEach(() => node.stop());

async function seriesOf(): Promise<string[]> {
  return [...(await node.metrics()).keys()].toSorted();
}

/** Routes with something of the caller's in their paths. */
async function callRoutes(n: number): Promise<void> {
  const headers = { "X-API-Key": `guess-${n}` };
  await node.http(`/api/users/user-${n}/send`, { method: "POST", headers });
  await node.http(`/api/topics/topic-${n}/history`, { headers });
  await node.http(`/ws/stats?format=${n}`, { method: ["GET", "PUT", "PATCH"][n % 3] ?? "GET" });
}

test("ten thousand paths, types, rooms, topics and events, each another one, leave the series as they were", async () => {
  node = await TestNode.start({
    ...{ MESSAGES_PER_SECOND: "1000000", MESSAGE_BURST: "1000000", JOINS_PER_SECOND: "1000000", JOIN_BURST: "1000000" },
    ...{
      HANDSHAKES_PER_SECOND: "100000",
      HANDSHAKE_BURST: "100000",
      AUTH_FAILURES_PER_MINUTE: "100000",
      LOG_LEVEL: "silent",
    },
  });
  const bystander = await node.connect("bystander");
  const claims = { topics: { "conversation:*": ["read", "write"] } };
  const peer = await node.connect("mallory", claims);
  // A route of the table has its series from its first call on.
  for (let n = 0; n < 3; n += 1) await callRoutes(n);
  const before = await seriesOf();

  const web = await node.peer();
  for (let sent = 0; sent < TIMES; sent += AT_ONCE) {
    let requests = "";
    for (let more = sent; more < sent + AT_ONCE; more += 1)
      requests += `GET /p${more}?q=${more} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
    web.writeRaw(requests);
    await web.until("the answers", () => (web.responses().length >= sent + AT_ONCE ? true : undefined));
  }
  expect(new Set(web.responses().map(({ status }) => status))).toEqual(new Set([404]));

  const frames: readonly ((n: number) => readonly [answers: number, frames: readonly object[]])[] = [
    (n) => [1, [{ type: `type-${n}` }]],
    (n) => [
      2,
      [
        { type: "join_room", roomSlug: `room-${n}` },
        { type: "leave_room", roomSlug: `room-${n}` },
      ],
    ],
    (n) => [1, [{ type: "subscribe", topic: `namespace-${n}:x` }]],
    (n) => [1, [{ type: "publish", topic: "conversation:c", event: `event-${n}` }]],
  ];
  for (const make of frames) {
    for (let sent = 0; sent < TIMES; sent += AT_ONCE) {
      const made = Array.from({ length: AT_ONCE }, (_, more) => make(sent + more));
      peer.sendAll(made.flatMap(([, each]) => each));
      for (let left = made.reduce((sum, [answers]) => sum + answers, 0); left > 0; left -= 1) await peer.next();
    }
  }
  for (let n = 0; n < 50; n += 1) {
    const one = await node.upgraded({
      path: `/ws?token=${token({ sub: `user-${n}`, role: `role-${n}` })}&format=f${n}`,
    });
    one.close(3_000 + n * 20, `reason ${n}`);
    await one.ended();
    const refused = await node.peer();
    await refused.upgrade({ path: `/ws/${n}?token=bad.${n}`, method: n % 2 === 0 ? "GET" : IS_UWS ? "POST" : `M${n}` });
    await callRoutes(n);
  }

  await expectUndisturbed(bystander);
  expect(await seriesOf()).toEqual(before);
  const metrics = await node.metrics();
  expect(metrics.get('tautline_errors_total{code="UNKNOWN_TYPE"}')).toBe(TIMES);
  expect(metrics.get("tautline_handler_failures_total")).toBe(0);
  // The gauges forget the rooms too.
  expect(metrics.get("tautline_topics")).toBe(0);
}, 60_000);
