import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { Directory } from "../../src/hub/directory.ts";
import { msgpackCodec } from "../../src/protocol/msgpack.ts";
import { until } from "../auth/tokens.ts";
import { REDIS, TestRedis } from "../support/redis.ts";
import { SharedHub, told } from "../support/shared-hub.ts";

describe.skipIf(REDIS.path === null)(`presence over several nodes${REDIS.skipReason}`, () => {
  let redis: TestRedis;
  let hubs: SharedHub[];

  const start = async (
    ...[options, hubOptions]: [Parameters<typeof SharedHub.start>[2]?, Parameters<typeof SharedHub.start>[3]?]
  ) => {
    const hub = await SharedHub.start(redis, `node-${hubs.length + 1}`, options, hubOptions);
    hubs.push(hub);
    await until(() => hubs.every(({ nodes }) => nodes.alive.size >= hubs.length));
    return hub;
  };
  /** Everything that was under way has come: what is said last in a room is heard last. */
  const heard = async (roomSlug = "r") => {
    const [first, ...others] = hubs;
    if (first === undefined) return;
    const probe = await first.member("probe", roomSlug);
    await until(() =>
      others.every((hub) => !hub.rig.hub.rooms.get(`room:${roomSlug}`) || hub.users(roomSlug).includes("probe")),
    );
    probe.socket.end(1000);
    await until(() => others.every((hub) => !hub.users(roomSlug).includes("probe")));
  };
  const ofOthers = (socket: Parameters<typeof told>[0]) => told(socket).filter((change) => !change.endsWith("probe"));

  beforeEach(async () => {
    redis = await TestRedis.start();
    hubs = [];
  });

  afterEach(async () => {
    await Promise.all(hubs.map((hub) => hub.stop()));
    await redis.stop();
  });

  test("three connections of one user on two nodes are one member, who comes once and leaves with the last one", async () => {
    const [a, b] = [await start(), await start()];
    const onA = await a.member("amy", "r");
    await until(async () => (await redis.command("HLEN", "tautline:p:room:r")) === 3);
    const onB = await b.member("bob", "r");
    await until(() => a.users("r").length === 2);
    expect(onB.joined["userCount"]).toBe(2);
    const one = await a.member("carol", "r");
    await until(() => b.users("r").includes("carol"));
    const two = await b.member("carol", "r");
    const three = await b.member("carol", "r");
    expect(three.joined["userCount"]).toBe(3);
    await heard();
    one.socket.end(1000);
    two.socket.end(1000);
    await heard();
    expect([ofOthers(onA.socket), ofOthers(onB.socket)]).toEqual([["+bob", "+carol"], ["+carol"]]);
    three.socket.end(1000);
    await until(() => !a.users("r").includes("carol"));
    expect([ofOthers(onA.socket), ofOthers(onB.socket)]).toEqual([["-carol"], ["-carol"]]);
  });

  test("who opens a room on its node is told of all who are on others", async () => {
    const [a, b] = [await start(), await start()];
    for (const user of ["u1", "u2", "u3"]) await a.member(user, "r");
    await until(async () => (await redis.command("HLEN", "tautline:p:room:r")) === 5);
    const first = await b.member("u4", "r");
    expect(first.joined["userCount"]).toBe(4);
    const state = await b.ask(first, { type: "presence", roomSlug: "r" }, "presence_state");
    expect(state).toMatchObject({ userCount: 4 });
    expect(b.users("r")).toEqual(["u1", "u2", "u3", "u4"]);
    expect(state["users"]).toHaveLength(4);
    expect(told(first.socket)).toEqual([]);
  });

  test("a user whose connection breaks and who comes back to another node within the grace period made no noise", async () => {
    const [a, b] = [await start(), await start()];
    const [onA, onB] = [await a.member("amy", "r"), await b.member("bob", "r")];
    const carol = await a.member("carol", "r");
    await heard();
    told(onA.socket);
    told(onB.socket);
    carol.socket.end(1006);
    const back = await b.member("carol", "r");
    await heard();
    a.rig.tick(10);
    await heard();
    expect([ofOthers(onA.socket), ofOthers(onB.socket)]).toEqual([[], []]);
    back.socket.end(1000);
    await until(() => !a.users("r").includes("carol"));
    expect([ofOthers(onA.socket), ofOthers(onB.socket)]).toEqual([["-carol"], ["-carol"]]);
  });

  test("whoever breaks off leaves everywhere when its grace period is over, on the node where it was", async () => {
    const [a, b] = [await start(), await start()];
    const onB = await b.member("bob", "r");
    const carol = await a.member("carol", "r");
    await heard();
    told(onB.socket);
    carol.socket.end(1006);
    await heard();
    expect(ofOthers(onB.socket)).toEqual([]);
    a.rig.tick(6);
    await until(() => !b.users("r").includes("carol"));
    expect(ofOthers(onB.socket)).toEqual(["-carol"]);
    expect(a.rig.hub.rooms.size).toBe(0);
  });

  test("the users of a node that was killed leave once each, within its lease, and their entries are taken out", async () => {
    const [a, b, c] = [await start(), await start(), await start()];
    const [onA, onB] = [await a.member("amy", "r"), await b.member("bob", "r")];
    for (const user of ["u1", "u2", "u3"]) await c.member(user, "r");
    await b.member("u3", "r");
    await until(() => a.users("r").length === 5 && b.users("r").length === 5);
    [onA, onB].map(({ socket }) => told(socket));
    c.kill();
    hubs.pop();
    await until(() => a.users("r").length === 3 && b.users("r").length === 3);
    expect([told(onA.socket).toSorted(), told(onB.socket).toSorted()]).toEqual([
      ["-u1", "-u2"],
      ["-u1", "-u2"],
    ]);
    await until(async () => {
      for (const { rig } of [a, b]) rig.hub.presence.sweep();
      return (await redis.command("HLEN", "tautline:p:room:r")) === 5;
    });
    await heard();
    expect([ofOthers(onA.socket), ofOthers(onB.socket)]).toEqual([[], []]);
    await c.stop();
  });

  test("who has been there all the time neither leaves nor comes when Redis begins anew without anything", async () => {
    const [a, b] = [await start({ doubtMs: 3_000 }), await start({ doubtMs: 3_000 })];
    const [onA, onB] = [await a.member("amy", "r"), await b.member("bob", "r")];
    const gone = await a.member("gone", "r");
    await heard();
    [onA, onB].map(({ socket }) => told(socket));
    await redis.kill();
    await until(() => !a.link.isUp && !b.link.isUp);
    gone.socket.end(1000);
    b.rig.receive(b.rig.connect("came").connection, { type: "join_room", roomSlug: "r" });
    expect([told(onA.socket), told(onB.socket)]).toEqual([["-gone"], ["+came"]]);
    await redis.start();
    await until(() => a.users("r").includes("came"));
    await until(async () => (await redis.command("HLEN", "tautline:p:room:r")) === 5);
    // Whom Redis has lost is believed for a while: its node may be about to say it again.
    await until(() => {
      b.presence.sweep();
      return !b.users("r").includes("gone");
    });
    await heard();
    expect([ofOthers(onA.socket), ofOthers(onB.socket)]).toEqual([["+came"], ["-gone"]]);
    expect([a.users("r"), b.users("r")]).toEqual([
      ["amy", "bob", "came"],
      ["amy", "bob", "came"],
    ]);
  });

  test("a Redis that hangs holds up nobody, and what happened meanwhile is told when it goes on", async () => {
    const [a, b] = [await start(), await start()];
    const [onA, onB] = [await a.member("amy", "r"), await b.member("bob", "r")];
    const gone = await a.member("gone", "r");
    await heard();
    [onA, onB].map(({ socket }) => told(socket));
    redis.pause();
    // Also in a room that this node knows nothing of.
    expect((await a.member("new", "other")).joined["userCount"]).toBe(1);
    const came = a.rig.connect("came");
    a.rig.receive(came.connection, { type: "join_room", roomSlug: "r" });
    expect(came.socket.take().at(-1)).toMatchObject({ type: "room_joined", userCount: 4 });
    gone.socket.end(1000);
    expect(told(onA.socket)).toEqual(["+came", "-gone"]);
    await until(() => !a.link.isUp && !b.link.isUp);
    redis.resume();
    await until(() => b.users("r").join() === "amy,bob,came");
    await heard();
    expect([ofOthers(onA.socket), ofOthers(onB.socket).toSorted()]).toEqual([[], ["+came", "-gone"]]);
  });

  test("a hash that vanished while everybody was connected is written anew, without noise", async () => {
    const [a, b] = [await start(), await start()];
    const [onA, onB] = [await a.member("amy", "r"), await b.member("bob", "r")];
    await heard();
    [onA, onB].map(({ socket }) => told(socket));
    await redis.command("DEL", "tautline:p:room:r");
    await a.member("carol", "r");
    await until(async () => (await redis.command("HLEN", "tautline:p:room:r")) === 5);
    await heard();
    expect([ofOthers(onA.socket), ofOthers(onB.socket)]).toEqual([["+carol"], ["+carol"]]);
  });

  test("who has been there all the time neither leaves nor comes when Redis loses everything while all are connected", async () => {
    const [a, b, c] = [await start(), await start(), await start()];
    const members = [await a.member("amy", "r"), await b.member("bob", "r"), await c.member("cat", "r")];
    await until(() => hubs.every((hub) => hub.users("r").join() === "amy,bob,cat"));
    const changes: string[] = [];
    for (const { nodes } of hubs) nodes.onGone((node) => changes.push(node));
    for (let round = 0; round < 5; round += 1) {
      for (const { socket } of members) socket.take();
      await redis.command("FLUSHALL");
      await until(async () => (await redis.command("ZCARD", "tautline:nodes")) === 3);
      await until(async () => (await redis.command("HLEN", "tautline:p:room:r")) === 5);
      await heard();
      expect(members.map(({ socket }) => ofOthers(socket))).toEqual([[], [], []]);
    }
    expect(changes).toEqual([]);
    // Nobody is believed for ever.
    c.kill();
    hubs.pop();
    await until(() => a.users("r").join() === "amy,bob" && b.users("r").join() === "amy,bob");
    await c.stop();
  });

  test("who is sent away by a drain and comes to another node made no noise, on neither", async () => {
    const [a, b] = [await start(), await start()];
    const [onA, onB] = [await a.member("amy", "r"), await b.member("bob", "r")];
    const carol = await a.member("carol", "r");
    await heard();
    [onA, onB].map(({ socket }) => told(socket));
    a.rig.hub.isDraining = true;
    carol.connection.close(1012);
    await heard();
    expect(onA.socket.take().filter(({ type }) => type === "presence_diff")).toEqual([]);
    const back = await b.member("carol", "r");
    await heard();
    onA.connection.close(1012);
    await until(async () => (await redis.command("HEXISTS", "tautline:p:room:r", "\namy")) === 1);
    await a.stop();
    hubs.shift();
    await until(() => b.nodes.alive.size === 1);
    expect(b.users("r")).toEqual(["amy", "bob", "carol"]);
    expect(ofOthers(onB.socket)).toEqual([]);
    back.socket.end(1000);
    expect(ofOthers(onB.socket)).toEqual(["-carol"]);
    // Who opens the room now counts the held one too.
    const c = await start();
    expect((await c.member("dan", "r")).joined["userCount"]).toBe(3);
  });

  test("typing reaches members on other nodes, once a second, and none of it is kept", async () => {
    const [a, b] = [await start(), await start()];
    const [onA, onB] = [await a.member("amy", "r"), await b.member("bob", "r")];
    const packed = b.rig.member("msg", "r", msgpackCodec);
    await heard();
    for (const { socket } of [onB, packed]) socket.take();
    for (const isTyping of [true, true, false])
      a.rig.receive(onA.connection, { type: "typing", roomSlug: "r", isTyping });
    await until(() => onB.socket.pending === 2);
    const expected = [true, false].map((isTyping) => ({ type: "typing", roomSlug: "r", userId: "amy", isTyping }));
    expect([onB.socket.take(), packed.socket.take()]).toMatchObject([expected, expected]);
    expect(onA.socket.take().filter(({ type }) => type === "typing")).toEqual([]);
  });

  test("a node lists the users of a topic that nobody is in there, page by page, and a page goes on at another node", async () => {
    const [a, b, c] = [await start(), await start(), await start()];
    for (let n = 0; n < 25; n += 1) await (n % 2 === 0 ? a : b).member(`u${n}`, "r");
    await until(async () => (await redis.command("HLEN", "tautline:p:room:r")) === 27);
    // What stands in Redis is heard a moment later.
    await until(() => a.users("r").length === 25 && b.users("r").length === 25);
    const seen: unknown[] = [];
    let cursor: string | undefined;
    let page = 0;
    do {
      const { hub } = [a, b, c][page % 3]?.rig ?? a.rig;
      const listed = await new Directory(hub).presence("room:r", { limit: 10, cursor });
      expect(listed.userCount).toBe(25);
      seen.push(...listed.items.map(({ userId }) => userId));
      cursor = listed.next;
      page += 1;
    } while (cursor !== undefined);
    expect(seen.length).toBe(25);
    expect(new Set(seen).size).toBe(25);
  });

  test("a topic that nobody is in any more is not listened to for long, and nothing stays of it", async () => {
    const a = await start({ lingerMs: 50 });
    const amy = await a.member("amy", "r");
    await until(async () => (await redis.command("EXISTS", "tautline:p:room:r")) === 1);
    amy.socket.end(1000);
    await until(async () => {
      a.presence.sweep();
      return String(await redis.command("PUBSUB", "CHANNELS", "tautline:pc:*")) === "";
    });
    expect(await redis.command("HLEN", "tautline:p:room:r")).toBe(2);
    expect(Number(await redis.command("PTTL", "tautline:p:room:r"))).toBeGreaterThan(0);
  });

  test("three thousand who join one room of two nodes at once cost a few batches", async () => {
    const [a, b] = [await start({ windowMs: 50 }), await start({ windowMs: 50 })];
    await a.member("amy", "r");
    await b.member("bob", "r");
    await heard();
    for (let n = 0; n < 1_500; n += 1) for (const [at, hub] of [a, b].entries()) hub.rig.member(`u${at}-${n}`, "r");
    await until(() => a.users("r").length === 3_002 && b.users("r").length === 3_002);
    expect(Number(await redis.command("HGET", "tautline:p:room:r", "version"))).toBeLessThan(100);
  });
});
