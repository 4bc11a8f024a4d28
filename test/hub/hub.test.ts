import { describe, expect, test } from "bun:test";
import { eventFor } from "../support/bodies.ts";
import { Backend } from "../../src/hub/backend.ts";
import { HubRig } from "../support/hub.ts";

describe("unsent bytes over the bound", () => {
  const BOUND = 1_000;

  test("found by two sweeps running end the connection 4013, counted and audited", () => {
    const rig = new HubRig({ maxUnsentBytes: BOUND });
    const { socket } = rig.connect("ada");
    socket.bufferedBytes = BOUND + 1;
    rig.tick();
    expect(socket.closed).toBeNull();
    rig.tick();
    expect(socket.closed).toEqual({ code: 4013, reason: "SLOW_CONSUMER" });
    expect(rig.metrics.counters.slowConsumers).toBe(1);
    expect(rig.audit.filter(({ event }) => event === "slow.consumer")).toMatchObject([{ userId: "ada" }]);
  });

  test("of a peer that is silent as well count as one end, not as two", () => {
    const rig = new HubRig({ maxUnsentBytes: BOUND });
    const { socket } = rig.connect("ada");
    rig.tick(88);
    socket.bufferedBytes = BOUND + 1;
    rig.tick(2);
    expect(socket.closed?.code).toBe(4013);
    expect(rig.metrics.counters.heartbeatsLost).toBe(0);
  });

  test("that went out between two sweeps end nothing", () => {
    const rig = new HubRig({ maxUnsentBytes: BOUND });
    const { socket } = rig.connect("ada");
    for (const bufferedBytes of [BOUND + 1, BOUND, BOUND + 1, 0]) {
      socket.bufferedBytes = bufferedBytes;
      rig.tick();
    }
    expect(socket.closed).toBeNull();
    expect(rig.metrics.counters.slowConsumers).toBe(0);
  });

  test("of a connection that the engine then ends itself are counted and audited too", () => {
    const rig = new HubRig({ maxUnsentBytes: BOUND });
    const { socket } = rig.connect("ada");
    const other = rig.connect("bob");
    socket.bufferedBytes = BOUND + 1;
    rig.tick();
    socket.end(1006);
    other.socket.end(1006);
    expect(rig.metrics.counters.slowConsumers).toBe(1);
    expect(rig.audit.filter(({ event }) => event === "slow.consumer")).toMatchObject([{ userId: "ada" }]);
  });
});

describe("a peer", () => {
  test("from which nothing came for the time-out is ended 4090, and one that answers is not", () => {
    const rig = new HubRig();
    const silent = rig.connect("silent");
    const alive = rig.connect("alive");
    for (let second = 0; second < 90; second += 1) {
      rig.tick();
      if (alive.socket.pings > 0) rig.hub.pong(alive.connection);
    }
    expect(silent.socket.closed).toEqual({ code: 4090, reason: "HEARTBEAT_LOST" });
    expect(alive.socket.closed).toBeNull();
    expect([silent.socket.pings, alive.socket.pings]).toEqual([3, 3]);
  });

  test("is pinged at another second than its neighbours", () => {
    const rig = new HubRig();
    const sockets = Array.from({ length: 60 }, (_, index) => rig.connect(`u${index}`).socket);
    let before = 0;
    for (let second = 0; second < 30; second += 1) {
      rig.tick();
      const pings = sockets.reduce((sum, socket) => sum + socket.pings, 0);
      expect(pings - before).toBe(2);
      before = pings;
    }
  });
});

describe("a user", () => {
  test("without connections is forgotten once its limits are full again, and not before", () => {
    const rig = new HubRig({ messagesPerSecond: 1, messageBurst: 5 });
    const { socket, connection } = rig.connect("ada");
    for (let sent = 0; sent < 5; sent += 1) rig.receive(connection, { type: "ping" });
    socket.end(1000);
    expect(rig.hub.users.size).toBe(0);
    rig.tick(4);
    expect(rig.hub.users.get("ada")).toBeDefined();
    rig.tick();
    expect(rig.hub.users.get("ada")).toBeUndefined();
  });

  test("gets what is sent to it once on each of its connections, in order, and nobody else does", async () => {
    const rig = new HubRig();
    const [first, second, gone] = [rig.connect("ada"), rig.connect("ada"), rig.connect("ada")];
    const bob = rig.connect("bob");
    gone.socket.end(1006);
    for (const text of ["one", "two"]) {
      const body = eventFor("user:ada", text);
      await rig.hub.broker.publish({ topic: "user:ada", body, identity: null }, true);
    }
    const frames = [
      { type: "one", offset: 1 },
      { type: "two", offset: 2 },
    ];
    expect(first.socket.take()).toMatchObject(frames);
    expect(second.socket.take()).toMatchObject(frames);
    expect([gone.socket.take(), bob.socket.take()]).toEqual([[], []]);
    expect(rig.metrics.counters.messagesDelivered).toBe(4);
  });

  test("leaves no room, no member and no connection behind", () => {
    const rig = new HubRig({ presenceGraceMs: 0 });
    for (let round = 0; round < 100; round += 1) rig.member(`u${round}`, `r${round}`).socket.end(1006);
    rig.tick(60);
    expect([rig.hub.connections.size, rig.hub.rooms.size, rig.hub.rooms.memberships]).toEqual([0, 0, 0]);
  });
});

describe("a pause of the whole process", () => {
  test("ends nobody: what was sent meanwhile is read before anyone counts as silent", () => {
    const rig = new HubRig();
    const members = ["ada", "bob"].map((user) => rig.connect(user));
    rig.clock.advance(10 * 60_000);
    rig.tick();
    expect(members.map(({ socket }) => socket.closed)).toEqual([null, null]);
    rig.tick(100);
    expect(members.map(({ socket }) => socket.closed?.code)).toEqual([4090, 4090]);
  });

  test("is not forgiven to whom it did not concern: who comes behind it is ended in its time", () => {
    const rig = new HubRig();
    rig.clock.advance(10 * 60_000);
    const { socket } = rig.connect("ada");
    rig.tick(91);
    expect(socket.closed?.code).toBe(4090);
  });

  test("that comes again and again still lets times end: each counts as one look", () => {
    const rig = new HubRig();
    const { socket } = rig.connect("ada");
    for (let late = 0; late < 91; late += 1) {
      rig.clock.advance(4_000);
      rig.tick();
    }
    expect(socket.closed?.code).toBe(4090);
  });

  test("counts to how long a connection lasted, whatever it was waiting for", () => {
    const rig = new HubRig();
    const { socket, connection } = rig.connect("ada");
    connection.state = "pending";
    rig.clock.advance(60_000);
    rig.tick();
    connection.state = "open";
    socket.end(1000);
    expect(rig.audit.at(-1)).toMatchObject({ event: "connection.closed", about: { durationMs: 61_000 } });
  });

  test.each([
    [
      "a client's",
      (rig: HubRig, { connection }: ReturnType<HubRig["connect"]>) =>
        rig.receive(connection, { type: "chat_message", roomSlug: "r", message: "hi" }),
    ],
    ["the backend's", (rig: HubRig) => void new Backend(rig.hub).publish("room:r", { event: "news" })],
  ])("lets no message, %s neither, go to somebody whose token ended meanwhile", (_whose, publish) => {
    const rig = new HubRig();
    const ada = rig.member("ada", "r");
    const bob = rig.connect("bob", undefined, { expiresAtMs: rig.clock.now() + 10_000 });
    rig.receive(bob.connection, { type: "join_room", roomSlug: "r" });
    bob.socket.take();
    rig.clock.advance(60_000);
    publish(rig, ada);
    expect(bob.socket.closed).toEqual({ code: 4001, reason: "TOKEN_EXPIRED" });
    expect(bob.socket.take().map(({ type }) => type)).toEqual([]);
    expect(ada.socket.closed).toBeNull();
    expect(ada.socket.pending).toBeGreaterThan(0);
  });
});
