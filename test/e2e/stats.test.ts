import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { TestNode, token } from "../support/node.ts";
import { oneNode } from "../support/one-node.ts";

let node: TestNode;
beforeEach(async () => {
  node = await TestNode.start();
});
afterEach(() => node.stop());

const as = (claims: Record<string, unknown>): RequestInit => ({
  headers: { Authorization: `Bearer ${token({ sub: "watcher", ...claims })}` },
});
const MODERATOR = as({ role: "moderator" });

describe("/ws/stats", () => {
  oneNode("numbers")(
    "counts connections and users, and those that have not authenticated yet in one place only",
    async () => {
      await node.connect("ada");
      await node.connect("ada");
      await node.connect("bob");
      await node.upgraded({ path: "/" });
      const response = await node.http("/ws/stats", MODERATOR);
      expect(response.status).toBe(200);
      const types = { general: 3, conversation: 0, web3: 0 };
      expect(await response.json()).toEqual({
        success: true,
        stats: {
          websocket_manager: { active_connections: 4, unique_users: 2, connection_types: { ...types, general: 4 } },
          authentication: {
            active_connections: 3,
            unique_users: 2,
            max_connections_per_user: 10,
            connection_types: types,
          },
          security: { authenticated_connections: 3, unique_authenticated_users: 2, max_connections_per_user: 10 },
        },
        timestamp: expect.closeTo(Date.now() / 1_000, -2),
      });
    },
  );

  oneNode("numbers")("lists rooms with their users, the largest first, and no other topic", async () => {
    await node.member("ada", "small");
    await node.member("ada", "large");
    const bob = await node.member("bob", "large");
    bob.text(JSON.stringify({ type: "subscribe", topic: "system:status" }));
    await bob.jsonOfType("subscribed");
    const response = await node.http("/ws/stats?format=rooms", MODERATOR);
    expect(await response.json()).toEqual({
      totalConnections: 3,
      totalRooms: 2,
      rooms: [
        { slug: "large", userCount: 2 },
        { slug: "small", userCount: 1 },
      ],
    });
  });

  test.each([
    ["nobody", {}, 401, "AUTH_REQUIRED"],
    ["a user", as({}), 403, "FORBIDDEN"],
    ["a user with the permission in its token", as({ permissions: ["system.monitor"] }), 200, undefined],
    ["an admin", as({ role: "admin" }), 200, undefined],
    ["a token that is none", { headers: { Authorization: "Bearer a.b.c" } }, 401, "AUTH_FAILED"],
    ["a cookie", { headers: { Cookie: `access_token=${token({ role: "admin" })}` } }, 200, undefined],
  ])("answers %s by its permission", async (_who, init, status, code) => {
    const response = await node.http("/ws/stats", init);
    expect(response.status).toBe(status);
    if (code !== undefined) expect(await response.json()).toMatchObject({ code });
  });

  test("knows no other format", async () => {
    const response = await node.http("/ws/stats?format=xml", MODERATOR);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: "BAD_REQUEST" });
  });
});
