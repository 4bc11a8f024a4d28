import { describe, expect, test } from "bun:test";
import { claims, signed } from "../auth/tokens.ts";
import { Rig } from "./ports.ts";

function call(rig: Rig, method: "PUT" | "DELETE", id: string, body?: unknown, role = "admin") {
  return rig.fetch(`/api/users/${id}/permissions`, {
    method,
    headers: {
      Authorization: `Bearer ${signed(claims({ role, sub: "root" }))}`,
      ...(body !== undefined && { "Content-Type": "application/json" }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
}

describe("PUT and DELETE /api/users/{id}/permissions", () => {
  test("change what a user may do and say whom that reached and what was lost", async () => {
    using rig = await Rig.open();
    const { hub } = rig;
    const { connection } = hub.connect("a/b", undefined, { topics: new Map([["conversation:*", ["read"]]]) });
    hub.receive(connection, { type: "subscribe", topic: "conversation:1" });
    const changed = await call(rig, "PUT", "a%2Fb", { roles: ["guest"], permissions: ["p"] });
    expect([changed.status, await changed.json()]).toEqual([200, { connections: 1, lost: 1 }]);
    expect(connection.principal).toMatchObject({ roles: ["guest"], permissions: ["p"] });
    const cleared = await call(rig, "DELETE", "a%2Fb");
    expect([cleared.status, await cleared.json()]).toEqual([200, { connections: 1, lost: 0 }]);
    expect(connection.principal).toMatchObject({ roles: ["user"], permissions: [] });
    expect(hub.audit.filter(({ event }) => event === "permissions.changed")).toMatchObject([
      { userId: "root", about: { by: "token", ofUser: "a/b", change: "set" } },
      { userId: "root", about: { by: "token", ofUser: "a/b", change: "cleared" } },
    ]);
  });

  test("take topic patterns with actions", async () => {
    using rig = await Rig.open();
    const { connection, socket } = rig.hub.connect("ada");
    await call(rig, "PUT", "ada", { topics: { "conversation:**": ["read", "write"] } });
    rig.hub.receive(connection, { type: "subscribe", topic: "conversation:9" });
    expect(socket.take()).toMatchObject([{ type: "subscribed" }]);
  });

  test.each<[string, unknown]>([
    ["nothing", {}],
    ["a misspelled field alone", { role: ["user"] }],
    ["a misspelled field besides", { roles: [], topic: {} }],
    ["33 roles", { roles: Array.from({ length: 33 }, (_, n) => `r${n}`) }],
    ["a role that is no name", { roles: [""] }],
    ["roles that are no list", { roles: "admin" }],
    ["a permission of 129 characters", { permissions: ["p".repeat(129)] }],
    ["a pattern that is none", { topics: { "conv*": ["read"] } }],
    ["an action that is none", { topics: { "room:a": ["delete"] } }],
    ["topics as a list", { topics: ["room:a"] }],
    ["more than a token could say", { permissions: Array.from({ length: 100 }, () => "p".repeat(100)) }],
  ])("refuse %s as a bad request and change nothing", async (_what, body) => {
    using rig = await Rig.open();
    const response = await call(rig, "PUT", "ada", body);
    expect([response.status, await response.json()]).toMatchObject([400, { code: "BAD_REQUEST" }]);
    expect(rig.hub.hub.permissions.size).toBe(0);
  });

  test.each(["a%20b", "%", "a".repeat(129), "%00"])("refuse the id %s as a bad request", async (id) => {
    using rig = await Rig.open();
    expect((await call(rig, "PUT", id, { roles: [] })).status).toBe(400);
  });

  test("are for the backend alone", async () => {
    using rig = await Rig.open();
    expect((await call(rig, "PUT", "root", { roles: ["admin"] }, "user")).status).toBe(403);
    expect((await call(rig, "DELETE", "root", undefined, "user")).status).toBe(403);
    expect(rig.hub.hub.permissions.size).toBe(0);
  });
});
