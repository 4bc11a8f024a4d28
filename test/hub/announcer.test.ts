import { describe, expect, test } from "bun:test";
import { HubRig } from "../support/hub.ts";

/** How members are told who comes and goes, with small numbers: one by one up to 4 users, again at 3. */

type Member = ReturnType<HubRig["member"]>;

const FULL_MAX = 4;
const TICK_MS = 250;
const NO_LISTS = { joined: undefined, left: undefined };

function rigOf(
  users: number,
  options: ConstructorParameters<typeof HubRig>[0] = {},
): { rig: HubRig; members: Member[] } {
  const rig = new HubRig({ presenceFullMax: FULL_MAX, joinBurst: 10_000, ...options });
  const members = Array.from({ length: users }, (_, index) => rig.member(`u${index}`, "r"));
  rig.clock.advance(TICK_MS);
  for (const { socket } of members) socket.take();
  return { rig, members };
}

const first = (members: readonly Member[]): Member => {
  const [member] = members;
  if (member === undefined) throw new Error("no member");
  return member;
};

const leave = (rig: HubRig, { connection }: Member) => rig.receive(connection, { type: "leave_room", roomSlug: "r" });
const rejoin = (rig: HubRig, { connection }: Member) => rig.receive(connection, { type: "join_room", roomSlug: "r" });
const listed = (...users: string[]) => users.map((userId) => ({ userId, username: userId }));

describe("a room of more users than are announced one by one", () => {
  test("tells all members of many changes in one frame per tick", () => {
    const { rig, members } = rigOf(6);
    const [watcher, ...others] = members;
    if (watcher === undefined) throw new Error("no member");
    const added = [rig.member("ada", "r"), rig.member("bob", "r")];
    for (const { socket } of added) socket.take();
    others.slice(0, 2).forEach((member) => leave(rig, member));
    rig.clock.advance(TICK_MS - 1);
    expect(watcher.socket.take()).toEqual([]);
    rig.clock.advance(1);
    const diff = {
      type: "presence_diff",
      roomSlug: "r",
      joined: listed("ada", "bob"),
      left: listed("u1", "u2"),
      userCount: 6,
      timestamp: rig.clock.now(),
    };
    expect(watcher.socket.take()).toEqual([diff]);
    // Those who joined are members as well, and find themselves in the list.
    for (const { socket } of added) expect(socket.take()).toEqual([diff]);
    rig.clock.advance(60_000);
    expect(watcher.socket.take()).toEqual([]);
  });

  test("answers a joiner at once, with a number that counts everyone who is not told yet", () => {
    const { rig } = rigOf(6);
    rig.member("ada", "r");
    const bob = rig.connect("bob");
    rejoin(rig, bob);
    expect(bob.socket.take()).toMatchObject([{ type: "room_joined", userCount: 8 }]);
  });

  test("names nobody who came and went, or went and came, within one tick, and still tells the number", () => {
    const { rig, members } = rigOf(6);
    const watcher = first(members);
    const ada = rig.member("ada", "r");
    leave(rig, ada);
    const back = members[1];
    if (back === undefined) throw new Error("no member");
    leave(rig, back);
    rejoin(rig, back);
    rig.clock.advance(TICK_MS);
    expect({ ...NO_LISTS, ...watcher.socket.take()[0] }).toMatchObject({ joined: [], left: undefined, userCount: 6 });
    leave(rig, back);
    rejoin(rig, ada);
    leave(rig, ada);
    rig.clock.advance(TICK_MS);
    expect(watcher.socket.take()).toMatchObject([{ left: listed("u1"), userCount: 5 }]);
  });

  test("counts a user with three connections once, and tells of it once", () => {
    const { rig, members } = rigOf(6);
    const watcher = first(members);
    const adas = [rig.member("ada", "r"), rig.member("ada", "r"), rig.member("ada", "r")];
    rig.clock.advance(TICK_MS);
    expect(watcher.socket.take()).toMatchObject([{ joined: listed("ada"), userCount: 7 }]);
    adas.slice(1).forEach(({ socket }) => socket.end(1000));
    rig.clock.advance(TICK_MS);
    expect(watcher.socket.take()).toEqual([]);
    first(adas).socket.end(1000);
    rig.clock.advance(TICK_MS);
    expect(watcher.socket.take()).toMatchObject([{ left: listed("ada"), userCount: 6 }]);
  });

  test("counts the users who are held, and tells that they left when their grace period is over", () => {
    const { rig, members } = rigOf(7);
    const watcher = first(members);
    const [, broken, leaving] = members;
    broken?.socket.end(1006);
    leaving?.socket.end(1000);
    rig.clock.advance(TICK_MS);
    expect(watcher.socket.take()).toMatchObject([{ left: listed("u2"), userCount: 6 }]);
    rig.tick(4);
    expect(watcher.socket.take()).toEqual([]);
    rig.tick(1);
    rig.clock.advance(TICK_MS);
    expect(watcher.socket.take()).toMatchObject([{ left: listed("u1"), userCount: 5 }]);
  });

  test("makes no noise for a user who comes back in time", () => {
    const { rig, members } = rigOf(6);
    members[1]?.socket.end(1006);
    rig.tick(3);
    rig.member("u1", "r");
    rig.tick(20);
    expect(first(members).socket.take()).toEqual([]);
  });
});

describe("the mode", () => {
  test("changes above the number and back at three quarters of it, so that one user does not switch it", () => {
    const { rig, members } = rigOf(FULL_MAX);
    const watcher = first(members);
    const types = () => {
      rig.clock.advance(TICK_MS);
      return watcher.socket.take().map(({ type }) => type);
    };
    const fifth = rig.member("u4", "r");
    expect(types()).toEqual(["presence_diff"]);
    leave(rig, fifth);
    expect(types()).toEqual(["presence_diff"]);
    rejoin(rig, fifth);
    expect(types()).toEqual(["presence_diff"]);
    leave(rig, fifth);
    if (members[3] !== undefined) leave(rig, members[3]);
    expect(types()).toEqual(["presence_diff", "user_left"]);
    rejoin(rig, fifth);
    expect(types()).toEqual(["user_joined"]);
  });

  test("changes behind what is pending, and every number is right at its time", () => {
    const { rig, members } = rigOf(6);
    const watcher = first(members);
    rig.member("ada", "r");
    for (const index of [1, 2, 3, 4]) {
      const member = members[index];
      if (member !== undefined) leave(rig, member);
    }
    expect(watcher.socket.take()).toMatchObject([
      { type: "presence_diff", joined: listed("ada"), left: listed("u1", "u2", "u3"), userCount: 4 },
      { type: "user_left", data: { userId: "u4", roomSlug: "r" }, roomSlug: "r" },
    ]);
    rig.clock.advance(60_000);
    expect(watcher.socket.take()).toEqual([]);
  });

  test("of a room begins anew when the room was empty", () => {
    const { rig, members } = rigOf(6);
    for (const member of members) leave(rig, member);
    const watcher = rig.member("u0", "r");
    rig.member("ada", "r");
    expect(watcher.socket.take()).toMatchObject([{ type: "user_joined" }]);
  });
});

describe("a list of more than 200 users", () => {
  test("is left out, and the number is right", () => {
    const { rig, members } = rigOf(6);
    const watcher = first(members);
    const added = Array.from({ length: 200 }, (_, index) => rig.member(`v${index}`, "r"));
    rig.clock.advance(1_000);
    const [whole] = watcher.socket.take();
    expect(whole).toMatchObject({ userCount: 206 });
    expect(whole?.["joined"]).toHaveLength(200);
    for (const { socket } of added.slice(0, 101)) socket.end(1000);
    for (let index = 0; index < 100; index += 1) rig.member(`w${index}`, "r");
    rig.clock.advance(1_000);
    const [short] = watcher.socket.take();
    expect({ ...NO_LISTS, ...short }).toMatchObject({ type: "presence_diff", userCount: 205, ...NO_LISTS });
  });

  test("is not left out for users who came and went", () => {
    const { rig, members } = rigOf(6);
    const added = Array.from({ length: 500 }, (_, index) => rig.member(`v${index}`, "r"));
    for (const { socket } of added.slice(1)) socket.end(1000);
    rig.clock.advance(1_000);
    expect(first(members).socket.take()).toMatchObject([{ joined: listed("v0"), userCount: 7 }]);
  });
});

describe("a timer", () => {
  test("runs for a room only while something is to be told", () => {
    const { rig, members } = rigOf(6);
    expect(rig.clock.pendingTimers).toBe(0);
    const added = [rig.member("ada", "r"), rig.member("bob", "r"), rig.member("carol", "r")];
    expect(rig.clock.pendingTimers).toBe(1);
    rig.clock.advance(TICK_MS);
    expect(rig.clock.pendingTimers).toBe(0);
    for (const member of added) leave(rig, member);
    expect(rig.clock.pendingTimers).toBe(1);
    for (const member of members) leave(rig, member);
    expect([rig.clock.pendingTimers, rig.hub.rooms.size]).toEqual([0, 0]);
  });

  test("does not run for a room of which only held users are left", () => {
    const { rig, members } = rigOf(6);
    rig.member("ada", "r").socket.end(1006);
    for (const { socket } of members) socket.end(1006);
    expect(rig.clock.pendingTimers).toBe(0);
    rig.tick(6);
    expect([rig.clock.pendingTimers, rig.hub.rooms.size]).toEqual([0, 0]);
  });

  test("waits longer the more users there are", () => {
    const { rig, members } = rigOf(700);
    rig.clock.advance(1_000);
    first(members).socket.take();
    rig.member("ada", "r");
    rig.clock.advance(700);
    expect(first(members).socket.take()).toEqual([]);
    rig.clock.advance(1);
    expect(first(members).socket.take()).toMatchObject([{ userCount: 701 }]);
  });
});

describe("a drain", () => {
  test("tells nobody of its departures, and later numbers are right", () => {
    const { rig, members } = rigOf(9);
    const watcher = first(members);
    const ada = rig.member("ada", "r");
    rig.hub.isDraining = true;
    ada.connection.close(1012);
    members[1]?.connection.close(1012);
    members[2]?.connection.close(1012);
    rig.tick(10);
    // Ada had come, which was not told yet: the number is.
    expect({ ...NO_LISTS, ...watcher.socket.take()[0] }).toMatchObject({ joined: [], left: undefined, userCount: 7 });
    members[4]?.connection.close(1012);
    rig.tick(10);
    expect(watcher.socket.take()).toEqual([]);
    if (members[3] !== undefined) leave(rig, members[3]);
    rig.clock.advance(TICK_MS);
    expect(watcher.socket.take()).toMatchObject([{ left: listed("u3"), userCount: 5 }]);
  });

  test("that takes most users away leads to the mode of those who are left", () => {
    const { rig, members } = rigOf(9);
    for (const { connection } of members.slice(2)) connection.close(1012);
    if (members[1] !== undefined) leave(rig, members[1]);
    expect(first(members).socket.take()).toMatchObject([{ type: "user_left", data: { userId: "u1" } }]);
  });
});

describe("one connection that joins and leaves without a pause", () => {
  test("is refused by its rate, and ended", () => {
    const { rig, members } = rigOf(2, { joinBurst: 20 });
    const flapper = rig.member("flapper", "r");
    first(members).socket.take();
    for (let round = 0; round < 1_000; round += 1) {
      leave(rig, flapper);
      rejoin(rig, flapper);
    }
    expect(flapper.socket.closed).toMatchObject({ code: 4029 });
    expect(first(members).socket.take().length).toBeLessThanOrEqual(2 * 20);
  });

  test("is in no list, and costs one frame per tick, in a room that is told by lists", () => {
    const { rig, members } = rigOf(6);
    const flapper = rig.member("flapper", "r");
    rig.clock.advance(TICK_MS);
    first(members).socket.take();
    for (let round = 0; round < 200; round += 1) {
      leave(rig, flapper);
      rejoin(rig, flapper);
    }
    rig.clock.advance(TICK_MS);
    expect(first(members).socket.take()).toMatchObject([{ type: "presence_diff", joined: [], userCount: 7 }]);
  });
});
