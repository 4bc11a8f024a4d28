import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { createLog } from "../../src/observe/log.ts";
import type { HandshakeFields, Log, LogLevel } from "../../src/observe/log.ts";
import { ProtocolError } from "../../src/protocol/codes.ts";
import { FakeClock } from "../support/clock.ts";
import { recordedSink } from "./recorded-sink.ts";
import type { RecordedSink } from "./recorded-sink.ts";

const JWT = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJDQU5BUlkifQ.Q0FOQVJZLXNpZ25hdHVyZS1DQU5BUlk";
const FORGED = '\n{"level":"info","event":"handshake"}\r\u001b[31m\u2028\u2029\u009b\u0085\u007f';
const UNSAFE = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029]/;

const handshake: HandshakeFields = {
  address: "203.0.113.7",
  path: "/ws",
  userAgent: "test",
  status: 101,
  code: "OK",
  connectionId: "c1",
  userId: "u1",
  durationMs: 0.25,
};
const refused: HandshakeFields = { ...handshake, status: 401, code: "AUTH_FAILED", connectionId: null, userId: null };

let clock: FakeClock;
let file: RecordedSink;

function logAt(level: LogLevel): Log {
  return createLog({ level, nodeId: "node-1", sink: file.sink, clock });
}

beforeEach(() => {
  clock = new FakeClock(1_767_225_600_123);
  file = recordedSink(clock);
});

afterEach(async () => {
  await file.remove();
});

describe("a log line", () => {
  test("is one JSON object with level, time, node, fields and message", async () => {
    logAt("debug").warn({ topic: "room:a", n: 3 }, "slow");
    expect(await file.records()).toEqual([
      { level: "warn", time: "2026-01-01T00:00:00.123Z", nodeId: "node-1", topic: "room:a", n: 3, msg: "slow" },
    ]);
  });

  test("keeps the order of the calls, access lines among them", async () => {
    const log = logAt("debug");
    log.debug({}, "1");
    log.access({ ...handshake, userId: "2" });
    log.child({ part: "hub" }).error({}, "3");
    expect((await file.records()).map((record) => record["msg"] ?? record["userId"])).toEqual(["1", "2", "3"]);
  });

  test("is not written below the level", async () => {
    const log = logAt("warn");
    log.debug({}, "no");
    log.info({}, "no");
    log.access(handshake);
    log.warn({}, "yes");
    expect((await file.records()).map((record) => record["msg"])).toEqual(["yes"]);
  });

  test("carries the fields of its child log", async () => {
    logAt("info").child({ part: "hub", token: "CANARY" }).info({ n: 1 }, "x");
    expect((await file.records())[0]).toMatchObject({ part: "hub", token: "[redacted]", n: 1, nodeId: "node-1" });
  });

  test("is one line whatever stands in its fields, names and message", async () => {
    const log = logAt("info");
    log.info({ username: FORGED, [`name${FORGED}`]: FORGED, list: [FORGED], error: new Error(FORGED) }, FORGED);
    log.child({ room: FORGED }).warn({}, "x");
    log.access({ ...handshake, path: `/ws${FORGED}`, userAgent: FORGED, userId: FORGED, address: FORGED });
    const text = await file.text();
    expect(text.match(/\n/g)).toHaveLength(3);
    expect(text).not.toMatch(UNSAFE);
    const records = await file.records();
    expect(records.map((record) => record["level"])).toEqual(["info", "warn", "info"]);
    expect(records[0]?.["username"]).toBe(FORGED);
    expect(records[2]?.["userAgent"]).toBe(FORGED);
  });

  test("holds no secret, wherever one was put", async () => {
    const log = logAt("debug");
    const headers = { authorization: "Bearer CANARY", cookie: "s=CANARY", "sec-websocket-protocol": "bearer, CANARY" };
    const cause = new Error(`redis://:CA/N?A@CANARY@host failed for ${JWT}`);
    const error = new TypeError("password=CANARY at ws://host/ws?token=CANARY", { cause });
    log.debug({ headers, token: "CANARY", ticket: "CANARY", nested: [{ secret: "CANARY" }] }, "token=CANARY");
    log.info({ url: "ws://host/ws?ticket=CANARY", query: "token=CANARY", note: JWT }, JWT);
    log.warn({ config: { JWT_SECRET: "CANARY", BROKER_URL: "redis://u:CANARY@host", METRICS_TOKEN: "CANARY" } }, "x");
    log.error({ error }, "x");
    try {
      JSON.parse('{"type": CANARY}');
    } catch (parse) {
      log.error({ error: parse }, "x");
    }
    log.access({ ...handshake, path: "/ws?token=CANARY" });
    log.access({ ...handshake, path: `/ws/${JWT}`, userAgent: `x ${JWT}` });
    expect(await file.records()).toHaveLength(7);
    const text = await file.text();
    expect(text).not.toContain("CANARY");
    expect(text).not.toContain("eyJ");
    expect(text).not.toContain("Q0FOQVJZ");
  });

  test("cuts long fields", async () => {
    logAt("info").info({ text: "x ".repeat(100_000) }, "x");
    logAt("info").access({ ...handshake, userAgent: "x".repeat(16_000) });
    for (const line of (await file.text()).split("\n")) expect(line.length).toBeLessThan(1500);
  });

  test("says of our own error name, code and message, and of another one also where it happened", async () => {
    const log = logAt("info");
    log.warn({ error: new ProtocolError("FORBIDDEN", {}, new RangeError("inner")) }, "x");
    log.warn({ error: Object.assign(new Error("no such host"), { code: "ENOTFOUND" }) }, "x");
    const [own, other] = await file.records();
    expect(own?.["error"]).toMatchObject({ name: "ProtocolError", code: "FORBIDDEN", cause: { name: "RangeError" } });
    expect(own?.["error"]).not.toHaveProperty("stack");
    expect(other?.["error"]).toMatchObject({ name: "Error", code: "ENOTFOUND", message: "no such host" });
    expect(other?.["error"]).toHaveProperty(["stack", 0], expect.stringContaining("log.test.ts"));
  });

  test("is written although a field throws when it is read", async () => {
    const hostile = {
      get value(): string {
        throw new Error("CANARY");
      },
    };
    logAt("info").info(hostile, "x");
    expect((await file.records())[0]).toMatchObject({ msg: "x", unloggable: true });
  });
});

describe("the access log", () => {
  test("has one line per handshake, with result and code and without the query", async () => {
    const log = logAt("info");
    log.access({ ...handshake, path: "/ws?format=json", durationMs: 0.123456 });
    log.access(refused);
    expect(await file.records()).toEqual([
      {
        level: "info",
        time: "2026-01-01T00:00:00.123Z",
        nodeId: "node-1",
        event: "handshake",
        ...handshake,
        result: "ok",
        durationMs: 0.123,
      },
      {
        level: "info",
        time: "2026-01-01T00:00:00.123Z",
        nodeId: "node-1",
        event: "handshake",
        ...refused,
        result: "refused",
      },
    ]);
  });

  test("stays within its budget under a flood of refused handshakes, counts the rest, and logs every accepted one", async () => {
    const log = logAt("info");
    for (let i = 0; i < 10_000; i += 1) {
      log.access(i % 2 === 0 ? refused : { ...refused, status: 429, code: "RATE_LIMITED" });
      if (i % 100 === 0) log.access(handshake);
    }
    clock.advance(1000);
    const records = await file.records();
    const lines = records.filter((record) => record["result"] === "refused");
    const summaries = records.filter((record) => record["event"] === "handshakes.suppressed");
    expect(records.filter((record) => record["result"] === "ok")).toHaveLength(100);
    expect(lines).toHaveLength(200);
    expect(summaries).toHaveLength(1);
    expect(summaries[0]).toMatchObject({ count: 9800, kinds: { AUTH_FAILED: 4900, RATE_LIMITED: 4900 } });
    expect(clock.pendingTimers).toBe(0);
  });

  test("logs refused ones again when the flood is over", async () => {
    const log = logAt("info");
    for (let i = 0; i < 300; i += 1) log.access(refused);
    clock.advance(2000);
    log.access({ ...refused, address: "198.51.100.1" });
    expect((await file.records()).at(-1)).toMatchObject({ event: "handshake", address: "198.51.100.1" });
  });
});
