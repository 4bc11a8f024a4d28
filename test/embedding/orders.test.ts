import { afterAll, describe, expect, test } from "bun:test";
import type { PrincipalInput } from "../../src/index.ts";
import { EmbeddedServers } from "../support/embedded.ts";
import { answer } from "../support/inbox.ts";
import { SECRET, token } from "../support/node.ts";

const servers = new EmbeddedServers();
afterAll(() => servers.stop());

describe("revoke", () => {
  test("closes the connections of a token, refuses it from then on, and leaves the user's others alone", async () => {
    const rig = await servers.start({ jwtSecret: SECRET });
    const [stolen, other] = [token({ jti: "t1" }), token({ jti: "t2" })];
    const [closed, open] = [await rig.connect(stolen), await rig.connect(other)];
    expect(await rig.server.revoke({ jti: "t1" })).toEqual({ closed: 1 });
    expect((await closed.closed()).code).toBe(4003);
    expect(await rig.upgrade({ path: `/ws?token=${stolen}` })).toMatchObject({ status: 401 });
    expect(await answer(open, { type: "ping" })).toMatchObject({ type: "pong" });
    const log = await rig.logAfterStop();
    expect(log.filter(({ event }) => event === "token.revoked")).toMatchObject([{ by: "application", connections: 1 }]);
  });

  test("knows the tokens of a validator by what it says of them", async () => {
    const issuedAt = Date.now() - 60_000;
    const users: Record<string, PrincipalInput> = {
      old: { id: 7, tokenId: "t1", sessionId: "s1", issuedAt },
      new: { id: 7, tokenId: "t2", sessionId: "s2", issuedAt: Date.now() + 2_000 },
      silent: { id: 7 },
      other: { id: 8 },
    };
    const rig = await servers.start({ tokenValidator: async (known) => users[known] });
    const old = await rig.connect("old");
    expect(await rig.server.revoke({ sub: 7 })).toEqual({ closed: 1 });
    expect((await old.closed()).code).toBe(4003);
    const status = async (known: string) => (await rig.upgrade({ path: `/ws?token=${known}` })).status;
    const answered = [await status("old"), await status("new"), await status("silent"), await status("other")];
    expect(answered).toEqual([401, 101, 401, 101]);
    await rig.server.revoke({ sid: "s2" });
    expect(await status("new")).toBe(401);
  });

  test.each([{}, { jti: "a", sub: "b" }, { jti: "" }, { sub: "a b" }, { sub: 7, issuedBefore: 1_700_000_000 }])(
    "of %j is a mistake of the program, and throws at once",
    async (order) => {
      const { server } = await servers.start({ jwtSecret: SECRET });
      expect(() => server.revoke(order as never)).toThrow(TypeError);
    },
  );
});

describe("setPermissions", () => {
  test("takes a live connection out of what it may no longer read, until it is taken back", async () => {
    const rig = await servers.start({ jwtSecret: SECRET });
    const peer = await rig.connect(token({ sub: 7, role: "admin" }));
    const load = { type: "subscribe", topic: "system:load" };
    expect(await answer(peer, load)).toMatchObject({ type: "subscribed" });
    expect(await rig.server.setPermissions(7, { roles: ["user"] })).toEqual({ connections: 1, lost: 1 });
    expect(await peer.json()).toMatchObject({ type: "unsubscribed", topic: "system:load", code: "FORBIDDEN" });
    expect(await answer(peer, load)).toMatchObject({ code: "FORBIDDEN" });
    expect(await rig.server.clearPermissions(7)).toEqual({ connections: 1, lost: 0 });
    expect(await answer(peer, load)).toMatchObject({ type: "subscribed" });
  });

  test("is seen by the application on the connection's user", async () => {
    const roles: unknown[] = [];
    const rig = await servers.start({
      jwtSecret: SECRET,
      onMessage: (connection) => {
        roles.push(connection.user.roles);
        connection.send({ type: "done" });
      },
    });
    const peer = await rig.connect(token({ sub: 7 }));
    await answer(peer, { type: "who" });
    await rig.server.setPermissions(7, { roles: ["guest"] });
    await answer(peer, { type: "who" });
    expect(roles).toEqual([["user"], ["guest"]]);
  });

  test.each([
    {},
    { role: "admin" },
    { roles: "admin" },
    { topics: { "a:*b": ["read"] } },
    { topics: new Map([["a:b", ["read"]]]) },
  ])("to %p is a mistake of the program, and throws at once", async (change) => {
    const { server } = await servers.start({ jwtSecret: SECRET });
    expect(() => server.setPermissions(7, change as never)).toThrow(TypeError);
  });
});

describe("disconnect", () => {
  test("ends the user's connections with the code of the application, but for those that stay", async () => {
    const ids: string[] = [];
    const rig = await servers.start({ jwtSecret: SECRET, onConnect: ({ id }) => ids.push(id) });
    const [stays, goes] = [await rig.connect(token({ sub: 7 })), await rig.connect(token({ sub: 7 }))];
    const other = await rig.connect(token({ sub: 8 }));
    const options = { code: 4100, reason: "lunch", except: ids.slice(0, 1) };
    expect(await rig.server.disconnect(7, options)).toEqual({ closed: 1 });
    expect(await goes.closed()).toEqual({ code: 4100, reason: "lunch" });
    for (const peer of [stays, other]) expect(await answer(peer, { type: "ping" })).toMatchObject({ type: "pong" });
    expect(await rig.server.disconnect(7)).toEqual({ closed: 1 });
    expect(await stays.closed()).toEqual({ code: 4003, reason: "FORBIDDEN" });
  });

  test.each([1000, 3999, 5000])("with %p is a mistake of the program, and throws at once", async (code) => {
    const { server } = await servers.start({ jwtSecret: SECRET });
    expect(() => server.disconnect(7, { code })).toThrow(RangeError);
  });
});

describe("subscribe and unsubscribe", () => {
  test("put the user's connections into a topic that its token does not open, and take them out", async () => {
    const rig = await servers.start({ jwtSecret: SECRET });
    const peer = await rig.connect(token({ sub: 7 }));
    expect(await rig.server.subscribe(7, "conversation:1")).toEqual({ subscribed: 1, skipped: 0 });
    expect(await peer.json()).toMatchObject({ type: "subscribed", topic: "conversation:1" });
    await rig.server.publish("conversation:1", "token", { text: "a" });
    expect(await peer.json()).toMatchObject({ type: "token", topic: "conversation:1" });
    expect(await rig.server.unsubscribe(7, "conversation:1")).toEqual({ unsubscribed: 1 });
    expect(await peer.json()).toMatchObject({ type: "unsubscribed", code: "REVOKED" });
  });

  test("refuse topics that are none, or another user's", async () => {
    const { server } = await servers.start({ jwtSecret: SECRET });
    expect(() => server.subscribe(7, "lobby")).toThrow(TypeError);
    expect(() => server.unsubscribe("a b", "room:a")).toThrow(TypeError);
    const refused = server.subscribe(7, "user:8");
    expect(await refused.catch((error: unknown) => error)).toMatchObject({ code: "BAD_REQUEST" });
  });
});
