import { describe, expect, test } from "bun:test";
import { PRESENCE_PAGE } from "../../src/hub/occupants.ts";
import { HubRig } from "../support/hub.ts";

describe("the grace period", () => {
  test("holds a user whose connection broke for exactly as long as it lasts", () => {
    const rig = new HubRig({ presenceGraceMs: 5_000 });
    const bob = rig.member("bob", "r");
    const ada = rig.member("ada", "r");
    bob.socket.take();
    ada.socket.end(1006);
    rig.tick(4);
    expect(bob.socket.take()).toEqual([]);
    rig.tick();
    expect(bob.socket.take()).toMatchObject([{ type: "user_left", data: { userId: "ada" } }]);
    rig.tick(10);
    expect(bob.socket.take()).toEqual([]);
  });

  test.each([1001, 1006, 4013, 4090])("holds after the end %d", (code) => {
    const rig = new HubRig();
    const bob = rig.member("bob", "r");
    const ada = rig.member("ada", "r");
    bob.socket.take();
    ada.socket.end(code);
    expect(bob.socket.take()).toEqual([]);
  });

  test.each([1000, 1005, 4001, 4003])("does not hold after the end %d", (code) => {
    const rig = new HubRig();
    const bob = rig.member("bob", "r");
    const ada = rig.member("ada", "r");
    bob.socket.take();
    ada.socket.end(code);
    expect(bob.socket.take()).toMatchObject([{ type: "user_left" }]);
  });

  test("begins anew for a user who came back and broke again", () => {
    const rig = new HubRig({ presenceGraceMs: 5_000 });
    const bob = rig.member("bob", "r");
    rig.member("ada", "r").socket.end(1006);
    rig.tick(3);
    rig.member("ada", "r").socket.end(1006);
    bob.socket.take();
    rig.tick(4);
    expect(bob.socket.take()).toEqual([]);
    rig.tick();
    expect(bob.socket.take()).toMatchObject([{ type: "user_left" }]);
  });

  test("does not outlive a leave by frame, and leaves no room behind", () => {
    const rig = new HubRig();
    const ada = rig.member("ada", "r");
    rig.receive(ada.connection, { type: "leave_room", roomSlug: "r" });
    expect(rig.hub.rooms.get("room:r")).toBeUndefined();
    const held = rig.member("ada", "r");
    held.socket.end(1006);
    expect(rig.hub.rooms.get("room:r")).toBeDefined();
    rig.tick(6);
    expect(rig.hub.rooms.get("room:r")).toBeUndefined();
  });

  test("is not needed in a drain: nobody is told of anyone", () => {
    const rig = new HubRig();
    const bob = rig.member("bob", "r");
    const ada = rig.member("ada", "r");
    bob.socket.take();
    rig.hub.isDraining = true;
    ada.connection.close(1012);
    rig.tick(10);
    expect(bob.socket.take()).toEqual([]);
  });
});

test("typing goes out once a second per user and topic, whatever came in between, and a false whenever it is news", () => {
  const rig = new HubRig();
  const bob = rig.member("bob", "r");
  const ada = rig.member("ada", "r");
  bob.socket.take();
  const type = (isTyping: boolean) => rig.receive(ada.connection, { type: "typing", roomSlug: "r", isTyping });
  const told = () => bob.socket.take().map((frame) => frame["isTyping"]);
  type(true);
  rig.clock.advance(999);
  type(true);
  expect(told()).toEqual([true]);
  rig.clock.advance(1);
  type(true);
  type(false);
  type(false);
  type(true);
  expect(told()).toEqual([true, false]);
  type(false);
  rig.clock.advance(1_000);
  type(true);
  expect(told()).toEqual([true]);
});

test("a list of more users than a page holds goes on behind `next`, each user once", () => {
  const rig = new HubRig();
  const users = Array.from({ length: 2 * PRESENCE_PAGE + 1 }, (_, index) => `u${index}`);
  const [first] = users.map((user) => rig.member(user, "r"));
  const seen: unknown[] = [];
  let after: unknown;
  let pages = 0;
  do {
    first?.socket.take();
    if (first !== undefined) rig.receive(first.connection, { type: "presence", roomSlug: "r", after });
    const [state] = first?.socket.take() ?? [];
    expect(state).toMatchObject({ type: "presence_state", userCount: users.length });
    const listed = state?.["users"];
    if (Array.isArray(listed)) seen.push(...listed.map((user) => user.userId));
    after = state?.["next"];
    pages += 1;
  } while (after !== undefined);
  expect(pages).toBe(3);
  expect(seen).toEqual(users);
});
