import { beforeEach, describe, expect, test } from "bun:test";
import { setPermissions } from "../../src/hub/changed-permissions.ts";
import type { Principal } from "../../src/protocol/principal.ts";
import { BACKEND } from "../support/actor.ts";
import { HubRig, type KeptSocket } from "../support/hub.ts";
import { principal } from "../support/principal.ts";

/** Endpoints that bring a topic: who may come in, and what waits while somebody is asked. */

const PATH = "/ws/conversation/ada/42";
const TOPIC = "conversation:42";

let rig: HubRig;
let answers: ((isGranted: boolean) => void)[];

beforeEach(() => {
  rig = new HubRig({ authDeadlineMs: 1_000 });
  answers = [];
  rig.authorize = () => new Promise((resolve) => answers.push(resolve));
});

const ada = (fields: Partial<Principal> = {}): Principal => principal({ id: "ada", username: "ada", ...fields });

async function answer(isGranted: boolean): Promise<void> {
  answers.shift()?.(isGranted);
  await rig.settle();
}

const typesOf = (socket: KeptSocket): unknown[] => socket.take().map(({ type }) => type);
const audited = (): [string, unknown][] => rig.audit.map(({ event, code }) => [event, code]);

describe("while the authorizer is asked", () => {
  test("nothing is sent, and the frames of the connection wait and are handled in their order", async () => {
    const { socket, connection } = rig.arrive(PATH, ada());
    rig.receive(connection, { type: "ping", id: 1 });
    rig.receive(connection, { type: "join_room", roomSlug: "r" });
    expect([socket.pending, answers.length, audited()]).toEqual([0, 1, []]);
    await answer(true);
    const [greeting, ...rest] = socket.take();
    expect(greeting).toMatchObject({ type: "connected", topics: [{ topic: "user:ada" }, { topic: TOPIC }] });
    expect(rest.map(({ type }) => type)).toEqual(["pong", "room_joined"]);
  });

  test("more frames may wait than behind an auth that is being checked", async () => {
    const { socket, connection } = rig.arrive(PATH, ada());
    for (let id = 0; id < 100; id += 1) rig.receive(connection, { type: "subscribe", topic: `followers:${id}` });
    expect(socket.closed).toBeNull();
    await answer(true);
    expect(socket.take().filter(({ type }) => type === "subscribed")).toHaveLength(100);
  });

  test("neither the deadline for auth nor the end of the token says anything", async () => {
    const { socket } = rig.arrive(PATH, ada({ expiresAtMs: rig.clock.now() + 20_000 }));
    rig.tick(5);
    expect([socket.pending, socket.closed]).toEqual([0, null]);
    await answer(true);
    rig.tick(1);
    expect(typesOf(socket)).toEqual(["connected", "auth_expiring"]);
  });

  test("a peer that goes away leaves nothing behind and was never let in", async () => {
    const { socket } = rig.arrive(PATH, ada());
    socket.end(1001);
    await answer(true);
    expect([rig.hub.connections.size, rig.hub.users.get("ada")?.admitted, rig.topicsWithMembers]).toEqual([0, 0, []]);
    expect(audited()).toEqual([]);
  });

  test("a change of the user's permissions makes it ask again, for the user as it is now", async () => {
    const { socket } = rig.arrive(PATH, ada());
    await setPermissions(rig.hub, "ada", { roles: ["nobody"], permissions: null, topics: null }, BACKEND);
    await answer(true);
    expect([socket.pending, socket.closed]).toEqual([0, { code: 4003, reason: "FORBIDDEN" }]);
  });

  test("of two answers around a change of permissions the second one counts", async () => {
    const { socket } = rig.arrive(PATH, ada());
    await setPermissions(rig.hub, "ada", { roles: ["moderator"], permissions: null, topics: null }, BACKEND);
    await answer(false);
    expect([socket.pending, socket.closed, answers.length]).toEqual([0, null, 1]);
    await answer(true);
    expect(socket.take()).toMatchObject([{ type: "connected", user: { roles: ["moderator"] } }]);
  });
});

describe("a connection that may not read the topic of its endpoint", () => {
  test("is closed 4003 without a frame, and audited as denied and as nothing else", async () => {
    const { socket, connection } = rig.arrive(PATH, ada());
    rig.receive(connection, { type: "join_room", roomSlug: "r" });
    await answer(false);
    expect([socket.pending, socket.closed]).toEqual([0, { code: 4003, reason: "FORBIDDEN" }]);
    expect(rig.audit).toMatchObject([
      { event: "access.denied", code: "FORBIDDEN", userId: "ada", about: { topic: TOPIC } },
    ]);
    expect([rig.hub.rooms.size, rig.hub.users.get("ada")?.admitted]).toEqual([0, 0]);
  });

  test("is closed as well when asking fails", async () => {
    rig.authorize = () => Promise.reject(new Error("away"));
    const { socket } = rig.arrive(PATH, ada());
    await rig.settle();
    expect([socket.pending, socket.closed?.code]).toEqual([0, 4003]);
  });

  test("is closed at once where nobody has to be asked", () => {
    const { socket } = rig.arrive(PATH, ada({ roles: ["nobody"] }));
    expect([socket.pending, socket.closed?.code, answers.length]).toEqual([0, 4003, 0]);
  });
});

describe("the endpoint of wallets", () => {
  test.each([
    ["a role that has wallet.read", { roles: ["user"] }, null],
    ["wallet.read in the token", { roles: ["moderator"], permissions: ["wallet.read"] }, null],
    ["neither", { roles: ["moderator"] }, { code: 4003, reason: "FORBIDDEN" }],
  ])("with %s asks no authorizer", (_what, fields, closed) => {
    const { socket } = rig.arrive("/api/v1/web3/ws/ada", ada(fields));
    expect([socket.closed, answers.length]).toEqual([closed, 0]);
    expect(typesOf(socket)).toEqual(closed === null ? ["connected"] : []);
    expect(audited()).toEqual(
      closed === null
        ? [
            ["connection.accepted", "OK"],
            ["topic.joined", "OK"],
          ]
        : [["access.denied", "FORBIDDEN"]],
    );
  });
});
