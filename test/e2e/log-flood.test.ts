import { afterEach, expect } from "bun:test";
import { expectUndisturbed } from "../support/bystander.ts";
import { FakeClock } from "../support/clock.ts";
import { TestNode, token } from "../support/node.ts";
import { oneNode } from "../support/one-node.ts";
import { onBun } from "../support/on-bun.ts";
import { IS_UWS } from "../support/second-engine.ts";

/** A flood of what is refused, within one second: few lines, and every event is in the sum. The second ends when the test says so. */

const HANDSHAKES = 1_000;
const LINES_PER_SECOND = 200;
const CALLS = 1_000;
const OPEN_TICKETS = 20;

let node: TestNode;
afterEach(() => node.stop());

(IS_UWS ? onBun("clock") : oneNode("lines"))(
  "a thousand bad handshakes within a second leave 200 lines and one sum in the log, and two records in the audit",
  async () => {
    const clock = new FakeClock();
    node = await TestNode.start(
      { HANDSHAKES_PER_SECOND: "2000", HANDSHAKE_BURST: "2000", AUTH_FAILURES_PER_MINUTE: "10000" },
      { clock },
    );
    const bystander = await node.upgraded({ path: "/" });
    for (let sent = 0; sent < HANDSHAKES; sent += 1) {
      const peer = await node.peer();
      expect((await peer.upgrade({ path: `/ws?token=bad.${sent}.token` })).status).toBe(401);
      peer.destroy();
    }
    clock.advance(1_000);
    bystander.send({ type: "ping", id: 1 });
    expect(await bystander.json(1_000)).toMatchObject({ code: "AUTH_REQUIRED", id: 1 });
    expect((await node.metrics()).get('tautline_handshakes_total{result="refused",code="AUTH_FAILED"}')).toBe(
      HANDSHAKES,
    );
    const audit = (await node.auditAfterStop()).filter(({ event }) => event === "auth.failed");
    expect(audit.map(({ code, count }) => [code, count])).toEqual([
      ["AUTH_FAILED", undefined],
      ["AUTH_FAILED", HANDSHAKES - 1],
    ]);
    const log = await node.logAfterStop();
    expect(log.filter(({ event, result }) => event === "handshake" && result === "refused")).toHaveLength(
      LINES_PER_SECOND,
    );
    expect(log.filter(({ event }) => event === "handshakes.suppressed")).toMatchObject([
      { count: HANDSHAKES - LINES_PER_SECOND, kinds: { AUTH_FAILED: HANDSHAKES - LINES_PER_SECOND } },
    ]);
  },
);

(IS_UWS ? onBun("clock") : oneNode("lines"))(
  "a thousand calls of a user who may not make them leave two records, and so do tickets that the user does not get",
  async () => {
    const clock = new FakeClock();
    node = await TestNode.start({}, { clock });
    const nowS = Math.floor(clock.now() / 1_000);
    const jwt = token({ sub: "mallory", iat: nowS, exp: nowS + 60 });
    const headers = { Authorization: `Bearer ${jwt}` };
    const ticket = { method: "POST", headers };
    for (let sent = 0; sent < CALLS; sent += 1) expect((await node.http("/ws/stats", { headers })).status).toBe(403);
    for (let got = 0; got < OPEN_TICKETS; got += 1)
      expect((await node.http("/api/ws/ticket", ticket)).status).toBe(201);
    for (let sent = 0; sent < CALLS; sent += 1) expect((await node.http("/api/ws/ticket", ticket)).status).toBe(429);
    const audit = (await node.auditAfterStop()).filter(({ userId }) => userId === "mallory");
    expect(audit.map(({ event, code, route, count }) => [event, code, route, count])).toEqual([
      ["api.called", "FORBIDDEN", "/ws/stats", undefined],
      ["rate.limited", "RATE_LIMITED", "/api/ws/ticket", undefined],
      ["api.called", "FORBIDDEN", undefined, CALLS - 1],
      ["rate.limited", "RATE_LIMITED", undefined, CALLS - 1],
    ]);
  },
);

(IS_UWS ? onBun("clock") : oneNode("lines"))(
  "what one client says wrong ten thousand times is no line at all, and one record of its limit",
  async () => {
    node = await TestNode.start({ LOG_LEVEL: "trace" });
    const bystander = await node.connect("bystander");
    const mallory = await node.connect("mallory");
    for (let sent = 0; sent < 10_000 && !mallory.isEnded; sent += 1) mallory.text("{not json");
    expect((await mallory.closed()).code).toBe(4029);
    await expectUndisturbed(bystander);
    const log = await node.logAfterStop();
    expect(log.filter(({ event }) => event !== "handshake")).toEqual([]);
    const audit = (await node.auditAfterStop()).filter(({ userId }) => userId === "mallory");
    expect(audit.map(({ event, code }) => [event, code])).toEqual([
      ["connection.accepted", "OK"],
      ["rate.limited", "RATE_LIMITED"],
      ["connection.closed", 4029],
    ]);
  },
);
