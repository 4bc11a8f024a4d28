import { describe, expect, test } from "bun:test";
import { msgpackCodec } from "../../src/protocol/msgpack.ts";
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

describe("a connection that the engine ended for what it had unsent", () => {
  const chat = (message: string) => ({ type: "chat_message", roomSlug: "r", message });

  /** A room in which more is said between two looks than a member may have unsent. */
  function loudRoom() {
    const rig = new HubRig({ maxUnsentBytes: BOUND });
    const sender = rig.member("sender", "r");
    const members = { json: rig.member("json", "r"), msgpack: rig.member("msgpack", "r", msgpackCodec) };
    const outsider = rig.member("outsider", "quiet");
    rig.tick();
    for (let sent = 0; sent < 10; sent += 1) rig.receive(sender.connection, chat("x".repeat(100)));
    return { rig, ...members, outsider };
  }

  test("before anybody looked is counted and audited by what its topics were sent, in either framing", () => {
    const { rig, json, msgpack } = loudRoom();
    json.socket.end(1006);
    msgpack.socket.end(1006);
    expect(endsOf(rig)).toEqual(["json", "msgpack"]);
    expect(rig.audit.filter(({ event, code }) => event === "connection.closed" && code === 4013)).toHaveLength(2);
  });

  test("is told from one that left by itself, that was sent little, or that had read everything when last looked at", () => {
    const { rig, json, msgpack, outsider } = loudRoom();
    json.socket.end(1001);
    outsider.socket.end(1006);
    rig.tick();
    msgpack.socket.end(1006);
    expect(endsOf(rig)).toEqual([]);
  });

  test("is known by the frame that did not fit any more", () => {
    const rig = new HubRig();
    const { socket, connection } = rig.connect("ada");
    socket.send = () => "dropped";
    rig.receive(connection, { type: "ping" });
    socket.end(1006);
    expect(endsOf(rig)).toEqual(["ada"]);
  });
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
