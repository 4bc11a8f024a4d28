import { describe, expect, test } from "bun:test";
import type { Principal } from "../../src/protocol/principal.ts";
import { eventFor } from "../support/bodies.ts";
import { HubRig } from "../support/hub.ts";

/** A process that stood still: what came in meanwhile is heard before any timer runs. */

const STILL_MS = 60_000;
const CHAT = { type: "chat_message", roomSlug: "r", message: "x" };

/** A room with a member whose token has ended while nothing ran. */
function afterPause() {
  const rig = new HubRig({ presenceGraceMs: 0, presenceFullMax: 3 });
  const until: Partial<Principal> = { expiresAtMs: rig.clock.now() + 10_000 };
  const ended = rig.connect("ended", undefined, until);
  rig.receive(ended.connection, { type: "join_room", roomSlug: "r" });
  const [alive, other] = [rig.member("alive", "r"), rig.member("other", "r")];
  for (const { socket } of [ended, alive, other]) socket.take();
  return { rig, ended, alive, other };
}

type Stage = ReturnType<typeof afterPause>;

const EVENTS: readonly (readonly [string, (stage: Stage) => unknown])[] = [
  ["a message", ({ rig, other }) => rig.receive(other.connection, CHAT)],
  [
    "a frame that costs nothing",
    ({ rig, other }) => rig.receive(other.connection, { type: "leave_room", roomSlug: "r" }),
  ],
  ["a message of the backend", ({ rig }) => rig.hub.publish("room:r", eventFor("room:r", "news"), null)],
  ["a message to its user", ({ rig }) => rig.hub.publish("user:ended", eventFor("user:ended", "news"), null)],
  ["the end of another connection", ({ other }) => other.socket.end(1000)],
  ["a new connection", ({ rig }) => rig.connect("new")],
  ["a frame of its own", ({ rig, ended }) => rig.receive(ended.connection, { type: "ping" })],
];

describe("behind a pause of the process, a connection whose token ended meanwhile", () => {
  test.each(EVENTS)("is closed before %s is handled, and gets nothing of it", (_what, happen) => {
    const stage = afterPause();
    stage.rig.clock.advance(STILL_MS);
    happen(stage);
    const { ended, alive } = stage;
    expect(ended.socket.closed).toEqual({ code: 4001, reason: "TOKEN_EXPIRED" });
    expect(ended.socket.take().filter(({ type }) => type !== "auth_expiring")).toEqual([]);
    expect(alive.socket.closed).toBeNull();
  });

  test("is closed before the timer of an announcement that was due", () => {
    const { rig, ended, alive } = afterPause();
    rig.clock.advance(1_000);
    // The fourth user: from here on they are announced by a timer.
    rig.member("fourth", "r");
    for (const { socket } of [ended, alive]) socket.take();
    rig.clock.jumpWallClock(STILL_MS);
    rig.clock.advance(300);
    expect(alive.socket.take()).toMatchObject([{ type: "presence_diff" }]);
    expect(ended.socket.closed?.code).toBe(4001);
    expect(ended.socket.take().filter(({ type }) => type !== "auth_expiring")).toEqual([]);
  });
});

describe("behind a pause of the process", () => {
  test("its own tick comes once, and ends nobody for silence", () => {
    const { rig, alive, other } = afterPause();
    rig.clock.advance(10 * STILL_MS);
    rig.receive(other.connection, CHAT);
    expect([alive.socket.closed, other.socket.closed]).toEqual([null, null]);
    const tickedAtMs = rig.hub.tickedAtMs;
    rig.receive(other.connection, CHAT);
    expect(rig.hub.tickedAtMs).toBe(tickedAtMs);
  });

  test("who is really gone is ended within the time-out", () => {
    const { rig, alive, other } = afterPause();
    rig.clock.advance(10 * STILL_MS);
    rig.receive(other.connection, CHAT);
    rig.tick(60);
    rig.receive(other.connection, { type: "pong" });
    rig.tick(30);
    expect([alive.socket.closed?.code, other.socket.closed]).toEqual([4090, null]);
  });
});
