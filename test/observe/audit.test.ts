import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { AUDIT_EVENTS, createAudit } from "../../src/observe/audit.ts";
import type { Audit, AuditEvent } from "../../src/observe/audit.ts";
import { createSink } from "../../src/observe/sink.ts";
import { FakeClock } from "../support/clock.ts";
import { parseLines, recordedSink, until } from "./recorded-sink.ts";
import type { RecordedSink } from "./recorded-sink.ts";

const refused: AuditEvent = {
  event: "connection.refused",
  result: "refused",
  code: "AUTH_FAILED",
  address: "203.0.113.7",
  userAgent: "test",
  about: { path: "/ws" },
};

let clock: FakeClock;
let file: RecordedSink;
let audit: Audit;

function eventsIn(records: Record<string, unknown>[]): number {
  return records.reduce((sum, { count }) => sum + (typeof count === "number" ? count : 1), 0);
}

beforeEach(() => {
  clock = new FakeClock(Date.UTC(2026, 0, 2, 3, 4, 5, 6));
  file = recordedSink(clock);
  audit = createAudit(file.sink, { nodeId: "node-1", marked: false }, clock);
});

afterEach(async () => {
  await file.remove();
});

describe("an audit record", () => {
  test("says who did what, when in UTC, from where, on which connection and node, with which result", async () => {
    const event: AuditEvent = {
      event: "topic.joined",
      userId: "u1",
      address: "203.0.113.7",
      userAgent: "test",
      connectionId: "c1",
      result: "ok",
      code: "OK",
    };
    audit.record({ ...event, about: { topic: "room:a", members: 3, first: true, role: null } });
    expect(await file.records()).toEqual([
      {
        ...{ time: "2026-01-02T03:04:05.006Z", level: "info", nodeId: "node-1" },
        ...event,
        ...{ topic: "room:a", members: 3, first: true, role: null },
      },
    ]);
  });

  test.each(Object.entries(AUDIT_EVENTS))("of %s has level %s unless it is given another", async (name, level) => {
    const event = Object.keys(AUDIT_EVENTS).find((known): known is keyof typeof AUDIT_EVENTS => known === name);
    if (event === undefined) throw new Error("unknown event");
    audit.record({ event, result: "ok", code: "OK" });
    audit.record({ event, result: "ok", code: "OK", level: "high" });
    audit.record({ event, result: "refused", code: "FORBIDDEN" });
    const levels = (await file.records()).map((record) => record["level"]);
    expect(levels).toEqual([level, "high", level === "info" ? "warning" : level]);
  });

  test("is marked where it shares a stream with the log", async () => {
    createAudit(file.sink, { nodeId: "node-1", marked: true }, clock).record(refused);
    audit.record(refused);
    const [marked, plain] = await file.records();
    expect(marked?.["audit"]).toBe(true);
    expect(plain).not.toHaveProperty("audit");
  });

  test("is one line and cannot be forged or made to hold a secret", async () => {
    const forged = '\n{"event":"token.revoked","level":"high"}\r\u001b[31m\u2028\u009b';
    const jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJDQU5BUlkifQ.Q0FOQVJZLXNpZ25hdHVyZQ";
    audit.record({
      ...refused,
      userId: forged,
      userAgent: `${forged}${jwt}${"x".repeat(5000)}`,
      about: {
        reason: `${forged} ws://h/?token=CANARY`,
        token: "CANARY",
        event: "account.login",
        level: "info",
        n: jwt,
      },
    });
    const text = await file.text();
    expect(text.match(/\n/g)).toHaveLength(1);
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029]|CANARY|eyJ/);
    const [record] = await file.records();
    expect(record).toMatchObject({
      event: "connection.refused",
      level: "warning",
      userId: forged,
      token: "[redacted]",
    });
    expect(String(record?.["userAgent"]).length).toBeLessThan(1100);
  });

  test("keeps its time when the clock is set back while refusals are merged", async () => {
    audit.record(refused);
    audit.record(refused);
    clock.jumpWallClock(-3_600_000);
    clock.advance(1000);
    expect((await file.records()).map((record) => record["time"])).toEqual([
      "2026-01-02T03:04:05.006Z",
      "2026-01-02T02:04:06.006Z",
    ]);
  });
});

describe("a flood of refusals", () => {
  test("from one address becomes its first record and one with the count of the others", async () => {
    for (let i = 0; i < 10_000; i += 1) audit.record({ ...refused, connectionId: `c${i}` });
    clock.advance(1000);
    const records = await file.records();
    expect(records).toHaveLength(2);
    expect(records[0]).toMatchObject({ connectionId: "c0", path: "/ws" });
    expect(records[1]).toMatchObject({
      ...{ event: "connection.refused", code: "AUTH_FAILED", address: "203.0.113.7", level: "warning" },
      ...{ count: 9999, since: "2026-01-02T03:04:05.006Z", connectionId: null },
    });
    expect(clock.pendingTimers).toBe(0);
  });

  test("from ever new addresses is bounded too, and every event is counted", async () => {
    for (let i = 0; i < 10_000; i += 1) audit.record({ ...refused, address: `198.51.${i >> 8}.${i & 255}` });
    clock.advance(1000);
    const records = await file.records();
    expect(records).toHaveLength(1001);
    expect(eventsIn(records)).toBe(10_000);
    expect(records.at(-1)).toMatchObject({ address: null, count: 9000 });
  });

  test("never merges what differs in event, code, address or user, nor anything that was allowed", async () => {
    audit.record(refused);
    audit.record({ ...refused, event: "auth.failed" });
    audit.record({ ...refused, code: "RATE_LIMITED" });
    audit.record({ ...refused, address: "203.0.113.8" });
    audit.record({ ...refused, userId: "u1" });
    for (let i = 0; i < 3; i += 1)
      audit.record({ event: "connection.accepted", result: "ok", code: "OK", userId: "u1" });
    clock.advance(1000);
    expect(await file.records()).toHaveLength(8);
  });

  test("of a user is merged where no limit bounds it, and nowhere else", async () => {
    const ofUser = { ...refused, userId: "u1" };
    for (let i = 0; i < 3; i += 1) audit.record(ofUser);
    for (let i = 0; i < 3; i += 1) audit.record({ ...ofUser, isUnbounded: true });
    audit.record({ ...ofUser, userId: "u2", isUnbounded: true });
    clock.advance(1000);
    const records = await file.records();
    expect(records.map(({ userId, count }) => [userId, count])).toEqual([
      ...[
        ["u1", undefined],
        ["u1", undefined],
        ["u1", undefined],
      ],
      ...[
        ["u1", undefined],
        ["u2", undefined],
        ["u1", 2],
      ],
    ]);
    expect(JSON.stringify(records)).not.toContain("isUnbounded");
  });

  test("is written by flush without waiting for the second to end", async () => {
    audit.record(refused);
    audit.record(refused);
    expect(await audit.flush(1000)).toBe(true);
    expect(eventsIn(await file.records())).toBe(2);
    expect(clock.pendingTimers).toBe(0);
  });
});

describe("an audit log whose file fails", () => {
  test("goes on without a throw, counts errors and lost records, and shows what stands in the way", async () => {
    const sink = createSink({ target: "/dev/full", clock, maxBufferedBytes: 1000 });
    const failing = createAudit(sink, { nodeId: "node-1", marked: false }, clock);
    for (let i = 0; i < 100; i += 1)
      failing.record({ event: "account.login", result: "ok", code: "OK", userId: `u${i}` });
    clock.advance(10);
    await until(() => failing.errors > 0);
    expect(failing.failure).toBe("ENOSPC");
    expect(failing.lost).toBeGreaterThan(90);
    const flushed = failing.flush(500);
    clock.advance(500);
    expect(await flushed).toBe(false);
  });

  test("says how many records are missing once it works again", async () => {
    const folder = mkdtempSync(join(tmpdir(), "tautline-audit-"));
    const path = join(folder, "missing", "audit.log");
    const sink = createSink({ target: path, clock, maxBufferedBytes: 600 });
    const failing = createAudit(sink, { nodeId: "node-1", marked: false }, clock);
    for (let i = 0; i < 10; i += 1)
      failing.record({ event: "account.login", result: "ok", code: "OK", userId: `u${i}` });
    mkdirSync(join(folder, "missing"));
    clock.advance(1000);
    await until(() => failing.failure === null && sink.bufferedBytes === 0);
    failing.record({ event: "account.login", result: "ok", code: "OK", userId: "later" });
    expect(await failing.flush(1000)).toBe(true);
    const records = parseLines(readFileSync(path, "utf8"));
    const lost = records.at(-2);
    expect(lost).toMatchObject({ event: "audit.lost", level: "high", nodeId: "node-1", lost: failing.lost });
    expect(records.length - 2 + failing.lost).toBe(10);
    expect(records.at(-1)).toMatchObject({ userId: "later" });
    await sink.close(1000);
    rmSync(folder, { recursive: true });
  });
});

test("every record is one JSON object, whatever bytes a client puts into its headers", async () => {
  const part = fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("\t", "\\", '"', "eyJ", "a".repeat(20), "."));
  const header = fc.array(part, { maxLength: 12 }).map((parts) => parts.join(""));
  fc.assert(
    fc.property(header, (userAgent) => audit.record({ ...refused, result: "ok", userAgent })),
    { numRuns: 300 },
  );
  audit.record({ ...refused, result: "ok", userAgent: `x\t${"a".repeat(16)}.${"b".repeat(16)}.${"c".repeat(16)}` });
  expect(await file.records()).toHaveLength(301);
});
