import { describe, expect, test } from "bun:test";
import { SLICE_MEMBERS, SLICED_FROM } from "../../src/hub/slices.ts";
import { HubRig } from "../support/hub.ts";

/** How a room of thousands hears of its users, with the turns of the loop in the hands of the test. */

const OPTIONS = { maxConnectionsPerUser: 10_000, presenceFullMax: 10, presenceGraceMs: 0 };

class Turned extends HubRig {
  readonly #waiting: (() => void)[] = [];

  constructor() {
    super(OPTIONS);
    this.later = (run) => void this.#waiting.push(run);
  }

  get isIdle(): boolean {
    return this.#waiting.length === 0;
  }

  turn(): void {
    this.#waiting.shift()?.();
  }

  turnAll(): void {
    while (!this.isIdle) this.turn();
  }
}

/** A room of so many connections of one user. */
function crowd(size: number): { rig: Turned; members: ReturnType<HubRig["connect"]>[] } {
  const rig = new Turned();
  const members = Array.from({ length: size }, () => join(rig, "crowd"));
  for (const { socket } of members) socket.take();
  rig.turnAll();
  return { rig, members };
}

/** Without the limit on joins of one user. */
function join(rig: Turned, userId: string): ReturnType<HubRig["connect"]> {
  const client = rig.connect(userId);
  if (client.connection.user !== null) client.connection.user.joins = null;
  rig.receive(client.connection, { type: "join_room", roomSlug: "r" });
  return client;
}

describe("An announcement to a large room", () => {
  test("reaches every member exactly once, a slice of them in each turn of the loop", () => {
    const { rig, members } = crowd(SLICED_FROM + SLICE_MEMBERS);
    const bob = join(rig, "bob");
    const told = () => members.filter(({ socket }) => socket.pending === 1).length;
    const steps: number[] = [told()];
    while (!rig.isIdle) {
      rig.turn();
      steps.push(told());
    }
    expect(steps.slice(0, 4)).toEqual([0, SLICE_MEMBERS, 2 * SLICE_MEMBERS, 3 * SLICE_MEMBERS]);
    expect(members.every(({ socket }) => socket.pending === 1)).toBe(true);
    expect(members[0]?.socket.take()).toMatchObject([{ type: "user_joined", data: { userId: "bob" } }]);
    expect(bob.socket.take()).toMatchObject([{ type: "room_joined" }]);
  });

  test("comes in the order in which it was made, and never to one who joined or left since", () => {
    const { rig, members } = crowd(SLICED_FROM + 1);
    const [bob, carol] = [join(rig, "bob"), join(rig, "carol")];
    const gone = members.pop();
    gone?.socket.take();
    gone?.socket.end(1000);
    rig.receive(bob.connection, { type: "leave_room", roomSlug: "r" });
    rig.turnAll();
    const expected = [
      { type: "user_joined", data: { userId: "bob" } },
      { type: "user_joined", data: { userId: "carol" } },
      { type: "user_left", data: { userId: "bob" } },
    ];
    for (const { socket } of [members[0], members.at(-1)].filter((member) => member !== undefined)) {
      expect(socket.take()).toMatchObject(expected);
    }
    expect(carol.socket.take()).toMatchObject([
      { type: "room_joined", userCount: 3 },
      { type: "user_left", data: { userId: "bob" } },
    ]);
    expect(bob.socket.take().map(({ type }) => type)).toEqual(["room_joined", "room_left"]);
    expect(gone?.socket.take()).toEqual([]);
  });

  test("does not hold up messages, which reach all members at once", () => {
    const { rig, members } = crowd(SLICED_FROM + 1);
    const bob = join(rig, "bob");
    rig.receive(bob.connection, { type: "chat_message", roomSlug: "r", message: "hello" });
    expect(members.every(({ socket }) => socket.pending === 1)).toBe(true);
    expect(members[0]?.socket.take()).toMatchObject([{ type: "new_message" }]);
    rig.turnAll();
    expect(members[0]?.socket.take()).toMatchObject([{ type: "user_joined" }]);
  });

  test("leaves nothing behind when all have gone, whatever was still to be told", () => {
    const { rig, members } = crowd(SLICED_FROM + 1);
    join(rig, "bob").socket.end(1000);
    for (const { socket } of members) socket.end(1006);
    rig.turnAll();
    expect([rig.hub.rooms.size, rig.hub.rooms.memberships]).toEqual([0, 0]);
    expect(rig.topicsWithMembers).toEqual([]);
  });
});
