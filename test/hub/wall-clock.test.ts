import { describe, expect, test } from "bun:test";
import { HubRig } from "../support/hub.ts";

/** Somebody sets the clock of the machine. What takes a time goes on as it did; what has a date goes by the new one. */

const DAY_MS = 86_400_000;

describe.each([
  ["forward", DAY_MS],
  ["back", -DAY_MS],
])("a wall clock that is set %s by a day", (_direction, jumpMs) => {
  test("ends nobody for silence, sooner or later than otherwise", () => {
    const rig = new HubRig();
    const { socket } = rig.connect("ada");
    rig.tick(10);
    rig.clock.jumpWallClock(jumpMs);
    rig.tick(79);
    expect(socket.closed).toBeNull();
    rig.tick(1);
    expect(socket.closed?.code).toBe(4090);
  });

  test("neither fills nor empties anybody's limit", () => {
    const rig = new HubRig({ messagesPerSecond: 1, messageBurst: 3 });
    const { socket, connection } = rig.connect("ada");
    const ping = (): unknown => {
      rig.receive(connection, { type: "ping" });
      return socket.take()[0]?.["type"];
    };
    expect([ping(), ping(), ping()]).toEqual(["pong", "pong", "pong"]);
    rig.clock.jumpWallClock(jumpMs);
    expect(ping()).toBe("error");
    rig.clock.advance(1_000);
    expect([ping(), ping()]).toEqual(["pong", "error"]);
  });

  test("keeps a user whose connection broke for the grace period, and no longer", () => {
    const rig = new HubRig({ presenceGraceMs: 5_000 });
    const bob = rig.member("bob", "r");
    rig.member("ada", "r").socket.end(1006);
    bob.socket.take();
    rig.clock.jumpWallClock(jumpMs);
    rig.tick(4);
    expect(bob.socket.take()).toEqual([]);
    rig.tick(2);
    expect(bob.socket.take()).toMatchObject([{ type: "user_left", data: { userId: "ada" } }]);
  });

  test("keeps the history and the message ids for as long as otherwise", () => {
    const rig = new HubRig();
    const { socket, connection } = rig.member("ada", "r");
    const send = () => rig.receive(connection, { type: "chat_message", roomSlug: "r", message: "x", messageId: "m" });
    send();
    const [, first] = socket.take();
    rig.clock.jumpWallClock(jumpMs);
    rig.tick();
    send();
    expect(socket.take()).toMatchObject([{ type: "message_sent", offset: first?.["offset"] }]);
    rig.receive(connection, { type: "history", roomSlug: "r" });
    expect(socket.take()).toMatchObject([{ type: "history", messages: [{ data: { message: "x" } }] }]);
  });

  test("is in the records from then on, and not in how long a connection was open", () => {
    const rig = new HubRig();
    const { socket } = rig.connect("ada");
    const before = rig.clock.now();
    rig.clock.advance(2_000);
    rig.clock.jumpWallClock(jumpMs);
    rig.clock.advance(1_000);
    socket.end(1000);
    expect(rig.clock.now() - before).toBe(3_000 + jumpMs);
    expect(rig.audit.at(-1)).toMatchObject({ event: "connection.closed", about: { durationMs: 3_000 } });
  });
});
