import { describe, expect, test } from "bun:test";
import { eventFor } from "../support/bodies.ts";
import { HubRig } from "../support/hub.ts";

const BOUND = 1_000;
const endsOf = (rig: HubRig): unknown[] =>
  rig.audit.filter(({ event }) => event === "slow.consumer").map(({ userId }) => userId);

describe("unsent bytes of all connections together", () => {
  test("over the bound end those with the most at once, and no more than that takes", () => {
    const rig = new HubRig({ maxUnsentBytes: BOUND, maxTotalUnsentBytes: 2_500 });
    const members = [900, 100, 1_000, 800, 0].map((bufferedBytes, index) => {
      const member = rig.connect(`u${index}`);
      member.socket.bufferedBytes = bufferedBytes;
      return member;
    });
    rig.tick();
    expect(members.map(({ socket }) => socket.closed?.code)).toEqual([
      undefined,
      undefined,
      4013,
      undefined,
      undefined,
    ]);
    expect(endsOf(rig)).toEqual(["u2"]);
    expect(rig.metrics.counters.slowConsumers).toBe(1);
  });

  test("end connections of which none has much, when there are many", () => {
    const rig = new HubRig({ maxUnsentBytes: BOUND, maxTotalUnsentBytes: 10 * BOUND });
    const members = Array.from({ length: 100 }, (_, index) => rig.connect(`u${index}`));
    for (const { socket } of members) socket.bufferedBytes = BOUND / 5;
    rig.tick();
    expect(members.filter(({ socket }) => socket.closed?.code === 4013)).toHaveLength(50);
  });

  test("up to the bound end nobody, and what is ended for its own bound does not count", () => {
    const rig = new HubRig({ maxUnsentBytes: BOUND, maxTotalUnsentBytes: 10 * BOUND });
    const members = Array.from({ length: 5 }, (_, index) => rig.connect(`u${index}`));
    for (const { socket } of members) socket.bufferedBytes = BOUND;
    const [slow] = members;
    if (slow !== undefined) slow.socket.bufferedBytes = 6 * BOUND;
    rig.tick(3);
    expect(members.map(({ socket }) => socket.closed?.code)).toEqual([
      4013,
      ...Array.from({ length: 4 }, () => undefined),
    ]);
  });
});

describe("a burst between two sweeps", () => {
  const chat = (message: string) => ({ type: "chat_message", roomSlug: "r", message });

  test("is looked at as soon as somebody may be over the bound, and who is far over it is ended at once", () => {
    const rig = new HubRig({ maxUnsentBytes: BOUND });
    const [sender, slow, slower] = [rig.member("sender", "r"), rig.member("slow", "r"), rig.member("slower", "r")];
    rig.tick();
    slow.socket.bufferedBytes = 2 * BOUND;
    slower.socket.bufferedBytes = 2 * BOUND + 1;
    rig.receive(sender.connection, chat("short"));
    expect([slow.socket.closed, slower.socket.closed]).toEqual([null, null]);
    rig.receive(sender.connection, chat("x".repeat(BOUND)));
    expect([slow.socket.closed, slower.socket.closed?.code]).toEqual([null, 4013]);
    expect(endsOf(rig)).toEqual(["slower"]);
  });

  test("to a user is looked at like one to a topic, and spares the user's other connections", () => {
    const rig = new HubRig({ maxUnsentBytes: BOUND });
    const [slow, other] = [rig.connect("ada"), rig.connect("ada")];
    slow.socket.bufferedBytes = 2 * BOUND + 1;
    void rig.hub.publish("user:ada", eventFor("user:ada", "note", "x".repeat(BOUND)), null);
    expect([slow.socket.closed?.code, other.socket.closed]).toEqual([4013, null]);
    expect(other.socket.take()).toMatchObject([{ type: "note", offset: 1 }]);
  });
});

test("a connection that the engine ended for a frame that did not fit any more is counted and audited", () => {
  const rig = new HubRig();
  const { socket, connection } = rig.connect("ada");
  socket.send = () => "dropped";
  rig.receive(connection, { type: "ping" });
  socket.end(1006);
  expect(endsOf(rig)).toEqual(["ada"]);
});

test("the users of a room are answered at the pace at which a client reads, like its history", async () => {
  const rig = new HubRig({ maxUnsentBytes: BOUND });
  const { socket, connection } = rig.member("ada", "r");
  socket.bufferedBytes = BOUND;
  for (let asked = 0; asked < 5; asked += 1) rig.receive(connection, { type: "presence", roomSlug: "r" });
  await rig.settle();
  expect(socket.pending).toBe(1);
  socket.bufferedBytes = 0;
  rig.hub.drain(connection);
  await rig.settle();
  expect(socket.take().map(({ type }) => type)).toEqual(Array.from({ length: 5 }, () => "presence_state"));
});
