import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { TestNode } from "../support/node.ts";
import type { JsonObject, RawPeer } from "../support/peer.ts";

/** The rate limits of a running node. A bucket that refills once a second stands still for the time of a test's frames. */

const LIMITS = {
  ...{ MESSAGES_PER_SECOND: "1", MESSAGE_BURST: "5", JOINS_PER_SECOND: "1", JOIN_BURST: "3" },
  MAX_MESSAGE_BYTES: "20480", // A larger message could never be paid for.
};

let node: TestNode;
let ada: RawPeer;
let bystander: RawPeer;

beforeEach(async () => {
  node = await TestNode.start({ ...LIMITS, PING_INTERVAL_MS: "200", PONG_TIMEOUT_MS: "60000" });
  ada = await node.connect("ada");
  bystander = await node.connect("bystander");
});

afterEach(async () => {
  bystander.send({ type: "ping", id: "served" });
  expect(await bystander.json(1_000)).toMatchObject({ type: "pong", id: "served" });
  await node.stop();
});

async function answers(peer: RawPeer, count: number): Promise<JsonObject[]> {
  const frames: JsonObject[] = [];
  while (frames.length < count) frames.push(await peer.json());
  return frames;
}

function sendTimes(peer: RawPeer, count: number, frame: object): void {
  for (let sent = 0; sent < count; sent += 1) peer.send({ ...frame, id: sent });
}

const outcome = (frame: JsonObject): unknown => frame["code"] ?? frame["type"];

describe("a user's frames", () => {
  test("over the rate are refused with a delay and the frame's id, and are not handled", async () => {
    sendTimes(ada, 7, { type: "ping" });
    const frames = await answers(ada, 7);
    expect(frames.map(outcome)).toEqual([...Array(5).fill("pong"), "RATE_LIMITED", "RATE_LIMITED"]);
    expect(frames[6]).toEqual({
      type: "error",
      code: "RATE_LIMITED",
      message: "Rate limit exceeded",
      id: 6,
      retryAfterMs: expect.any(Number),
      timestamp: expect.any(Number),
    });
    expect(frames[6]?.["retryAfterMs"]).toBeWithin(1, 1_001);
  });

  test("are counted over all of the user's connections", async () => {
    const other = await node.connect("ada");
    sendTimes(ada, 3, { type: "ping" });
    await answers(ada, 3);
    sendTimes(other, 3, { type: "ping" });
    expect((await answers(other, 3)).map(outcome)).toEqual(["pong", "pong", "RATE_LIMITED"]);
  });

  test("are counted on when the user comes back", async () => {
    sendTimes(ada, 5, { type: "ping" });
    await answers(ada, 5);
    ada.close();
    await ada.ended();
    const again = await node.connect("ada");
    sendTimes(again, 1, { type: "ping" });
    expect((await answers(again, 1)).map(outcome)).toEqual(["RATE_LIMITED"]);
  });

  test("cost one token per 4 KiB begun", async () => {
    ada.send({ type: "ping", pad: "a".repeat(3 * 4_096) });
    sendTimes(ada, 2, { type: "ping" });
    expect((await answers(ada, 3)).map(outcome)).toEqual(["pong", "pong", "RATE_LIMITED"]);
  });

  test("cost nothing when they are pong or leave_room", async () => {
    sendTimes(ada, 50, { type: "pong" });
    sendTimes(ada, 50, { type: "leave_room", roomSlug: "r" });
    sendTimes(ada, 5, { type: "ping" });
    const frames = await answers(ada, 55);
    expect(new Set(frames.map(outcome))).toEqual(new Set(["room_left", "pong"]));
  });

  test.each([
    ["of an unknown type", '{"type":"nope"}', "UNKNOWN_TYPE"],
    ["without a type", "{}", "BAD_MESSAGE"],
    ["that are no JSON", "{", "BAD_MESSAGE"],
    ["that are no objects", "null", "BAD_MESSAGE"],
  ])("%s are counted like any other", async (_what, text, code) => {
    for (let sent = 0; sent < 6; sent += 1) ada.text(text);
    expect((await answers(ada, 6)).map(outcome)).toEqual([...Array(5).fill(code), "RATE_LIMITED"]);
  });

  test("that are joins have a bucket of their own", async () => {
    sendTimes(ada, 4, { type: "join_room", roomSlug: "r" });
    expect((await answers(ada, 4)).map(outcome)).toEqual([...Array(3).fill("room_joined"), "RATE_LIMITED"]);
    sendTimes(ada, 5, { type: "ping" });
    expect((await answers(ada, 5)).map(outcome)).toEqual(Array(5).fill("pong"));
  });
});

test("a hundred refused frames without an accepted one between end the connection 4029 with a delay", async () => {
  sendTimes(ada, 104, { type: "ping" });
  const frames = await answers(ada, 104);
  expect(outcome(frames[103] ?? {})).toBe("RATE_LIMITED");
  sendTimes(ada, 10, { type: "ping" });
  const { code, reason } = await ada.closed();
  expect(code).toBe(4029);
  expect(JSON.parse(reason)).toEqual({ retryAfterMs: expect.any(Number) });
  expect(await node.metricIs("tautline_rate_limited_frames_total", (count) => count >= 100)).toBe(100);
  const audit = await node.auditAfterStop();
  expect(audit.filter((record) => record["event"] === "rate.limited" && record["userId"] === "ada")).toHaveLength(1);
  node = await TestNode.start();
  bystander = await node.connect("bystander");
});

test("garbage that nobody can read ends the connection too", async () => {
  for (let sent = 0; sent < 110; sent += 1) ada.text("{");
  expect((await ada.closed()).code).toBe(4029);
});

test("accepted frames between make refused ones good, ten each", async () => {
  sendTimes(ada, 5 + 60, { type: "ping" });
  await answers(ada, 65);
  for (let n = 0; n < 3; n += 1) {
    ada.send({ type: "join_room", roomSlug: `r${n}` });
    expect(outcome(await ada.json())).toBe("room_joined");
  }
  // 60 were refused, 30 of them made good: 60 more stay below 100.
  sendTimes(ada, 60, { type: "ping" });
  const frames = await answers(ada, 60);
  expect(frames.filter((frame) => outcome(frame) === "RATE_LIMITED").length).toBeGreaterThan(50);
  expect(ada.isEnded).toBe(false);
});

test("one accepted frame now and then does not keep a flood alive", async () => {
  for (let round = 0; round < 3; round += 1) {
    sendTimes(ada, 95, { type: "ping" });
    ada.send({ type: "join_room", roomSlug: `r${round}` });
  }
  expect((await ada.closed()).code).toBe(4029);
});

test("frames of the free types pay when they are large, before they are read when they are very large", async () => {
  const padding = (length: number) => "x".repeat(length);
  for (const [type, length] of [
    ["pong", 4_000],
    ["leave_room", 20_000],
  ] as const) {
    const peer = await node.connect(`flood-${type}`);
    for (let n = 0; n < 300 && !peer.isEnded; n += 1) peer.send({ type, roomSlug: "r", padding: padding(length) });
    expect((await peer.closed()).code).toBe(4029);
  }
});

test("other users keep their rate while one is refused", async () => {
  sendTimes(ada, 80, { type: "ping" });
  await answers(ada, 80);
  const bob = await node.connect("bob");
  sendTimes(bob, 5, { type: "ping" });
  expect((await answers(bob, 5)).map(outcome)).toEqual(Array(5).fill("pong"));
});
