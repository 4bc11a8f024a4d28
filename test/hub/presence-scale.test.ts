import { expect, test } from "bun:test";
import { HubRig } from "../support/hub.ts";
import { PresenceClient } from "../support/presence-client.ts";

/** Rooms of thousands: what is sent, and what members know. */

type Member = ReturnType<HubRig["connect"]>;

/** Room for everyone: who is quiet here for minutes is not lost. */
const OPTIONS = { pongTimeoutMs: 10_000_000, pingIntervalMs: 5_000_000, messageBurst: 10_000, joinBurst: 10_000 };

const join = (rig: HubRig, { connection }: Member) => rig.receive(connection, { type: "join_room", roomSlug: "r" });

function joinMany(rig: HubRig, from: number, to: number): Member[] {
  return Array.from({ length: to - from }, (_, index) => rig.member(`u${from + index}`, "r"));
}

/** Reads the list to its end, as a client does. */
function readList(rig: HubRig, { socket, connection }: Member, client: PresenceClient): void {
  client.apply(socket.take());
  client.startReading();
  do {
    rig.receive(connection, { type: "presence", roomSlug: "r", after: client.next ?? undefined });
    client.apply(socket.take());
  } while (client.next !== null);
}

test("10,000 users who join one room within two seconds get less than 20 frames each, and all know the number", () => {
  const rig = new HubRig(OPTIONS);
  const members = Array.from({ length: 10_000 }, (_, index) => rig.connect(`u${index}`));
  const { counters } = rig.metrics;
  const before = counters.messagesOut;
  members.forEach((member, index) => {
    join(rig, member);
    if (index % 5 === 4) rig.clock.advance(1);
  });
  rig.clock.advance(10_000);
  let frames = 0;
  for (const { socket } of members) {
    const received = socket.take();
    frames += received.length;
    expect(received.at(-1)?.["userCount"]).toBe(10_000);
  }
  expect(frames / members.length).toBeLessThan(20);
  // 199 joins were told one by one, since the first had nobody to tell; the rest took a few ticks.
  expect(counters.messagesOut - before).toBeLessThan(210);
  expect(rig.clock.pendingTimers).toBe(0);
}, 30_000);

test("a member knows who is there up to 5,000 users and from 4,000 on, and the number in between", () => {
  const rig = new HubRig(OPTIONS);
  const watcher = rig.member("watcher", "r");
  const client = new PresenceClient();
  readList(rig, watcher, client);
  const inRoom = (): Set<unknown> => new Set(["watcher", ...members.map(({ connection }) => connection.principal?.id)]);
  const told = () => {
    rig.clock.advance(5_000);
    const received = watcher.socket.take();
    client.apply(received);
    return received;
  };

  const members: Member[] = [];
  while (members.length < 4_999) {
    members.push(...joinMany(rig, members.length, Math.min(4_999, members.length + 199)));
    told();
  }
  expect(client.count).toBe(5_000);
  expect(client.users).toEqual(inRoom());

  // What is pending goes out as a list, then there are no lists any more.
  leave(members.shift());
  members.push(...joinMany(rig, 4_999, 5_010));
  const [listed, counted] = told();
  expect(listed).toMatchObject({ joined: [{ userId: "u4999" }], left: [{ userId: "u0" }], userCount: 5_000 });
  expect(counted).not.toContainAnyKeys(["joined", "left"]);
  expect(client.count).toBe(members.length + 1);
  expect(client.users).toBeNull();

  for (const { socket } of members.splice(4_000)) socket.end(1000);
  expect(told().every((frame) => frame["joined"] === undefined && frame["left"] === undefined)).toBe(true);
  expect(client.count).toBe(4_001);

  readList(rig, watcher, client);
  expect(client.users).toEqual(inRoom());
  leave(members.shift());
  expect(told()).toMatchObject([{ type: "presence_diff", left: [{ userId: "u1" }], userCount: 4_000 }]);

  while (members.length > 100) {
    for (const { socket } of members.splice(-Math.min(190, members.length - 100))) socket.end(1000);
    told();
    expect(client.count).toBe(members.length + 1);
  }
  expect(client.users).toEqual(inRoom());
  expect(client.types.slice(-49)).toEqual(Array.from({ length: 49 }, () => "user_left"));

  function leave(member: Member | undefined): void {
    member?.socket.end(1000);
  }
}, 30_000);
