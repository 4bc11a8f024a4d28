import { describe, expect, test } from "bun:test";
import { removeFromTopic } from "../../src/hub/membership.ts";
import { compileAccess, DEFAULT_ACCESS } from "../../src/access.ts";
import { clearPermissions, permissionsChangedElsewhere, setPermissions } from "../../src/hub/changed-permissions.ts";
import type { PermissionChange } from "../../src/protocol/principal.ts";
import { ProtocolError } from "../../src/protocol/codes.ts";
import { claims, outcome, signed } from "../auth/tokens.ts";
import { BACKEND } from "../support/actor.ts";
import { HeldAuthorizer } from "../support/authorizer.ts";
import { HubRig, passing } from "../support/hub.ts";

const AS_THE_TOKEN: PermissionChange = { roles: null, permissions: null, topics: null };
const DAY_S = 86_400;
const MAY_TALK = { topics: new Map([["conversation:**", ["read", "write"] as const]]) };

function set(rig: HubRig, userId: string, change: Partial<PermissionChange>) {
  return setPermissions(rig.hub, userId, { ...AS_THE_TOKEN, ...change }, BACKEND);
}

/** In `conversation:1` and in a room. */
function talking(rig: HubRig, userId: string) {
  const joined = rig.connect(userId, undefined, MAY_TALK);
  rig.receive(joined.connection, { type: "subscribe", topic: "conversation:1" });
  rig.receive(joined.connection, { type: "join_room", roomSlug: "r" });
  joined.socket.take();
  return joined;
}

const publish = { type: "publish", topic: "conversation:1", event: "note", data: 1 };

describe("taking a role away", () => {
  test("ends at once what it allowed: the topic is left, the others hear of it, and publishing is refused", () => {
    const rig = new HubRig();
    const ada = talking(rig, "ada");
    const bob = talking(rig, "bob");
    ada.socket.take();
    expect(set(rig, "ada", { roles: [] })).toEqual({ connections: 1, lost: 1 });
    expect(ada.socket.take()).toMatchObject([{ type: "unsubscribed", topic: "conversation:1", code: "FORBIDDEN" }]);
    expect(bob.socket.take()).toMatchObject([{ type: "user_left", data: { userId: "ada", topic: "conversation:1" } }]);
    rig.receive(ada.connection, publish);
    rig.receive(ada.connection, { type: "subscribe", topic: "conversation:1" });
    expect(ada.socket.take()).toMatchObject([
      { type: "error", code: "FORBIDDEN" },
      { type: "error", code: "FORBIDDEN" },
    ]);
    expect(ada.connection.rooms.map(({ topic }) => topic)).toEqual(["room:r"]);
    expect(ada.socket.closed).toBeNull();
  });

  test("holds for every connection of the user, for later ones, and for nobody else", () => {
    const rig = new HubRig();
    const [first, second] = [talking(rig, "ada"), talking(rig, "ada")];
    const bob = talking(rig, "bob");
    expect(set(rig, "ada", { roles: [] })).toEqual({ connections: 2, lost: 2 });
    const later = rig.connect("ada", undefined, MAY_TALK);
    expect(later.connection.principal?.roles).toEqual([]);
    expect(later.connection.bearer?.roles).toEqual(["user"]);
    for (const { connection, socket } of [first, second, later]) {
      socket.take();
      rig.receive(connection, { type: "subscribe", topic: "conversation:1" });
      expect(socket.take()).toMatchObject([{ type: "error", code: "FORBIDDEN" }]);
    }
    expect(bob.connection.rooms).toHaveLength(2);
  });

  test("is not undone by a refresh with a token that has the role", () => {
    const rig = new HubRig();
    const { connection, socket } = talking(rig, "ada");
    void set(rig, "ada", { roles: [] });
    socket.take();
    const token = signed(claims({ sub: "ada", roles: ["user", "admin"], topics: { "conversation:**": ["read"] } }));
    rig.receive(connection, { type: "refresh", token });
    rig.receive(connection, { type: "subscribe", topic: "conversation:1" });
    expect(socket.take()).toMatchObject([{ type: "auth_refreshed" }, { type: "error", code: "FORBIDDEN" }]);
    expect(connection.bearer?.roles).toEqual(["user", "admin"]);
    expect(clearPermissions(rig.hub, "ada", BACKEND)).toEqual({ connections: 1, lost: 0 });
    rig.receive(connection, { type: "subscribe", topic: "conversation:1" });
    expect(socket.take()).toMatchObject([{ type: "subscribed" }]);
  });

  test("ends what a second token has granted by it", () => {
    const rig = new HubRig();
    const { connection } = rig.connect("ada");
    const token = signed(claims({ sub: "ada", topics: { "conversation:1": ["read"] } }));
    rig.receive(connection, { type: "subscribe", topic: "conversation:1", token });
    expect(set(rig, "ada", { roles: [] })).toEqual({ connections: 1, lost: 1 });
    expect([connection.grants, connection.rooms]).toEqual([null, []]);
  });

  test("of a user who is not there reaches nobody and waits for it", () => {
    const rig = new HubRig();
    expect(set(rig, "ada", { roles: ["guest"] })).toEqual({ connections: 0, lost: 0 });
    expect(rig.connect("ada").connection.principal?.roles).toEqual(["guest"]);
  });
});

describe("changing topics", () => {
  test("gives and takes access by name, whatever the token or a second one says", () => {
    const rig = new HubRig();
    const { connection, socket } = talking(rig, "ada");
    expect(set(rig, "ada", { topics: new Map([["conversation:2", ["read"]]]) })).toEqual({ connections: 1, lost: 1 });
    socket.take();
    const token = signed(claims({ sub: "ada", topics: { "conversation:1": ["read"] } }));
    rig.receive(connection, { type: "subscribe", topic: "conversation:2" });
    rig.receive(connection, { type: "subscribe", topic: "conversation:1", token });
    expect(socket.take()).toMatchObject([{ type: "subscribed" }, { type: "error", code: "FORBIDDEN" }]);
  });

  test("leaves alone what the backend gave to one connection", () => {
    const rig = new HubRig();
    const { connection } = talking(rig, "ada");
    removeFromTopic(rig.hub, connection, "conversation:1", "FORBIDDEN");
    const token = signed(claims({ sub: "ada", topics: { "conversation:1": ["read"] } }));
    rig.receive(connection, { type: "subscribe", topic: "conversation:1", token });
    connection.grants?.set("conversation:1", ["read"], Number.POSITIVE_INFINITY);
    expect(set(rig, "ada", { topics: new Map() })).toEqual({ connections: 1, lost: 0 });
  });
});

describe("a change", () => {
  test("is taken back by clearing it: what only it allowed is left", () => {
    const rig = new HubRig();
    void set(rig, "ada", { topics: new Map([["conversation:7", ["read"]]]) });
    const { connection, socket } = rig.connect("ada");
    rig.receive(connection, { type: "subscribe", topic: "conversation:7" });
    socket.take();
    expect(clearPermissions(rig.hub, "ada", BACKEND)).toEqual({ connections: 1, lost: 1 });
    expect(socket.take()).toMatchObject([{ type: "unsubscribed", topic: "conversation:7", code: "FORBIDDEN" }]);
    expect(connection.principal).toBe(connection.bearer);
  });

  test("ends by itself after a day, on live connections too", () => {
    const rig = new HubRig({ pingIntervalMs: 3_600_000, pongTimeoutMs: 200_000_000 });
    const { connection, socket } = talking(rig, "ada");
    void set(rig, "ada", { roles: ["guest"], topics: new Map([["conversation:7", ["read"]]]) });
    rig.clock.advance(DAY_S * 1_000 - 1);
    rig.hub.tick();
    expect(connection.principal?.roles).toEqual(["guest"]);
    socket.take();
    rig.clock.advance(1);
    rig.hub.tick();
    expect(connection.principal).toBe(connection.bearer);
    rig.receive(connection, { type: "subscribe", topic: "conversation:1" });
    expect(socket.take()).toMatchObject([{ type: "subscribed", topic: "conversation:1" }]);
    expect(rig.audit.filter(({ event }) => event === "permissions.changed").map(({ about }) => about)).toEqual([
      { by: "key", ofUser: "ada", change: "set", connections: 1, topicsLost: 1 },
      { by: "node", ofUser: "ada", change: "ended", connections: 1, topicsLost: 0 },
    ]);
  });

  test("that is set again and cleared is audited each time, with who ordered it", () => {
    const rig = new HubRig();
    void set(rig, "ada", { roles: [] });
    void clearPermissions(rig.hub, "ada", BACKEND);
    const records = rig.audit.filter(({ event }) => event === "permissions.changed");
    expect(records.map(({ about }) => about?.["change"])).toEqual(["set", "cleared"]);
    expect(records).toMatchObject(records.map(() => ({ address: "198.51.100.7", result: "ok", code: "OK" })));
  });

  test("between the check of a token and the greeting is in the greeting", async () => {
    let answer = (): void => {};
    const waits = new Promise<void>((resolve) => {
      answer = resolve;
    });
    const rig = new HubRig({}, (broker) => ({
      ...passing(broker),
      enter: async (entrances, use) => {
        await waits;
        return broker.enter(entrances, use);
      },
    }));
    const { connection, socket } = rig.connect("ada");
    void set(rig, "ada", { roles: ["guest"] });
    answer();
    await rig.settle();
    expect(socket.take()).toMatchObject([{ type: "connected", user: { roles: ["guest"] } }]);
    expect(connection.principal?.roles).toEqual(["guest"]);
  });

  test("while the broker is asked for a join decides about that join", async () => {
    let answer = (): void => {};
    let waits: Promise<void> | null = null;
    const rig = new HubRig({}, (broker) => ({
      ...passing(broker),
      enter: (entrances, use) =>
        waits === null ? broker.enter(entrances, use) : waits.then(() => broker.enter(entrances, use)),
    }));
    const { connection, socket } = rig.connect("ada", undefined, MAY_TALK);
    waits = new Promise<void>((resolve) => {
      answer = resolve;
    });
    rig.receive(connection, { type: "subscribe", topic: "conversation:1" });
    rig.receive(connection, { type: "subscribe", topic: "room:r" });
    void set(rig, "ada", { roles: [] });
    answer();
    await rig.settle();
    expect(socket.take()).toMatchObject([
      { type: "error", code: "FORBIDDEN" },
      { type: "subscribed", roomSlug: "r" },
    ]);
  });
});

describe("where an authorizer decides", () => {
  function asking() {
    const authorizer = new HeldAuthorizer();
    const access = compileAccess({ ...DEFAULT_ACCESS, hasAuthorizer: true });
    return { authorizer, rig: new HubRig({}, undefined, {}, { access, authorizer }) };
  }

  test("it is asked again about every topic, with the changed roles, and the answer counts what was lost", async () => {
    const { rig, authorizer } = asking();
    const { connection, socket } = rig.connect("ada");
    for (const topic of ["doc:1", "doc:2", "room:r"]) rig.receive(connection, { type: "subscribe", topic });
    for (let n = 0; n < 3; n += 1) {
      authorizer.answerAll(() => true);
      await rig.settle();
    }
    expect(connection.rooms).toHaveLength(3);
    socket.take();
    const reach = set(rig, "ada", { roles: ["guest"] });
    expect(authorizer.open.map(({ principal }) => principal.roles)).toEqual([["guest"], ["guest"], ["guest"]]);
    authorizer.answerAll((topic) => topic !== "doc:2");
    expect(await reach).toEqual({ connections: 1, lost: 1 });
    expect(socket.take()).toMatchObject([{ type: "unsubscribed", topic: "doc:2", code: "FORBIDDEN" }]);
  });

  test("an answer about permissions that have changed meanwhile is asked for again", async () => {
    const { rig, authorizer } = asking();
    const { connection, socket } = rig.connect("ada");
    rig.receive(connection, { type: "subscribe", topic: "doc:1" });
    void set(rig, "ada", { roles: ["guest"] });
    authorizer.answerAll(() => true);
    await rig.settle();
    expect([socket.take(), authorizer.open.map(({ principal }) => principal.roles)]).toEqual([[], [["guest"]]]);
    authorizer.answerAll(() => false);
    await rig.settle();
    expect(socket.take()).toMatchObject([{ type: "error", code: "FORBIDDEN" }]);
    expect(connection.rooms).toEqual([]);
  });

  test("a change that falls between the answer and the join is asked about before the join", async () => {
    // Some steps of promises lie between the two: the change comes behind each of them.
    for (let steps = 0; steps < 8; steps += 1) {
      const { rig, authorizer } = asking();
      const { connection } = rig.connect("ada");
      rig.receive(connection, { type: "subscribe", topic: "doc:1" });
      authorizer.answerAll(() => true);
      for (let step = 0; step < steps; step += 1) await Promise.resolve();
      void set(rig, "ada", { roles: ["guest"] });
      await rig.settle();
      expect(authorizer.open.map(({ principal: { roles } }) => roles)).toEqual([["guest"]]);
      authorizer.answerAll(() => false);
      await rig.settle();
      expect(connection.rooms).toEqual([]);
    }
  });

  test("a denial that comes after the change was taken back loses nothing", async () => {
    const { rig, authorizer } = asking();
    const { connection } = rig.connect("ada");
    rig.receive(connection, { type: "subscribe", topic: "doc:1" });
    authorizer.answerAll(() => true);
    await rig.settle();
    const changed = set(rig, "ada", { roles: [] });
    const cleared = clearPermissions(rig.hub, "ada", BACKEND);
    const [first, second] = authorizer.open.splice(0);
    first?.answer(false);
    second?.answer(true);
    await rig.settle();
    authorizer.answerAll(() => true);
    expect([await changed, await cleared]).toEqual([
      { connections: 1, lost: 0 },
      { connections: 1, lost: 0 },
    ]);
    expect(connection.rooms).toHaveLength(1);
  });

  test("a topic that the client leaves meanwhile is left once, and not counted as lost", async () => {
    const { rig, authorizer } = asking();
    const { connection, socket } = rig.connect("ada");
    rig.receive(connection, { type: "subscribe", topic: "doc:1" });
    authorizer.answerAll(() => true);
    await rig.settle();
    socket.take();
    const reach = set(rig, "ada", { roles: [] });
    rig.receive(connection, { type: "unsubscribe", topic: "doc:1" });
    authorizer.answerAll(() => false);
    expect(await reach).toEqual({ connections: 1, lost: 0 });
    expect(socket.take()).toMatchObject([{ type: "unsubscribed", topic: "doc:1", code: "OK" }]);
  });
});

describe("a change that another node was told", () => {
  test("holds for this one's connections at once, and is audited here with the node that was told", () => {
    const rig = new HubRig();
    const ada = talking(rig, "ada");
    const bob = talking(rig, "bob");
    void rig.hub.permissions.set("ada", { ...AS_THE_TOKEN, roles: [] });
    permissionsChangedElsewhere(rig.hub, [{ userId: "ada", change: "set", node: "node-2" }]);
    expect(ada.socket.take()).toMatchObject([
      { type: "user_joined" },
      { type: "user_joined" },
      { type: "unsubscribed", topic: "conversation:1", code: "FORBIDDEN" },
    ]);
    expect(bob.connection.rooms).toHaveLength(2);
    void rig.hub.permissions.clear("ada");
    permissionsChangedElsewhere(rig.hub, [{ userId: "ada", change: "cleared", node: "node-2" }]);
    expect(ada.connection.principal).toBe(ada.connection.bearer);
    expect(rig.audit.filter(({ event }) => event === "permissions.changed").map(({ about }) => about)).toEqual([
      { by: "node", ofUser: "ada", change: "set", connections: 1, topicsLost: 1, orderedOn: "node-2" },
      { by: "node", ofUser: "ada", change: "cleared", connections: 1, topicsLost: 0, orderedOn: "node-2" },
    ]);
  });

  test("is carried out when its store has taken it, and not at all when it has not", async () => {
    const rig = new HubRig();
    const { connection } = talking(rig, "ada");
    const { permissions } = rig.hub;
    const kept = Promise.withResolvers<void>();
    Object.defineProperty(rig.hub, "permissions", {
      value: {
        set: (id: string, change: PermissionChange) => kept.promise.then(() => permissions.set(id, change)),
        clear: () => Promise.reject(new ProtocolError("UNAVAILABLE")),
      },
    });
    expect(await outcome(() => clearPermissions(rig.hub, "ada", BACKEND))).toBe("UNAVAILABLE");
    const reached = set(rig, "ada", { roles: [] });
    expect(connection.rooms).toHaveLength(2);
    expect(rig.audit.filter(({ event }) => event === "permissions.changed")).toEqual([]);
    kept.resolve();
    expect(await reached).toEqual({ connections: 1, lost: 1 });
    expect(connection.rooms).toHaveLength(1);
  });
});
