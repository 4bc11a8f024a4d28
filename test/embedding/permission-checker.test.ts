import { afterAll, describe, expect, test } from "bun:test";
import { authorizerOf } from "../../src/embedding/permission-checker.ts";
import type { PermissionChecker, User } from "../../src/index.ts";
import { FakeClock } from "../support/clock.ts";
import { EmbeddedServers } from "../support/embedded.ts";
import { answer } from "../support/inbox.ts";
import { SECRET, token } from "../support/node.ts";
import { principal } from "../support/principal.ts";

const servers = new EmbeddedServers();
afterAll(() => servers.stop());

const rules: PermissionChecker = (user, topic, action) => topic === `team:${user.id}` || action === "read";

describe.each([
  ["at once", rules],
  ["by a promise", (async (...asked) => rules(...asked)) satisfies PermissionChecker],
] as const)("a checker that answers %s", (_how, permissionChecker) => {
  test("alone decides what is read and written, in namespaces that nobody configured too", async () => {
    const server = await servers.start({ jwtSecret: SECRET, permissionChecker });
    const peer = await server.connect(token({ sub: "7" }));
    expect(await answer(peer, { type: "subscribe", topic: "team:8" })).toMatchObject({ type: "subscribed" });
    const own = { type: "publish", topic: "team:7", event: "x" };
    expect(await answer(peer, own)).toMatchObject({ type: "published", topic: "team:7" });
    expect(await answer(peer, { ...own, topic: "team:8" })).toMatchObject({ code: "FORBIDDEN", topic: "team:8" });
    expect(await answer(peer, { type: "join_room", roomSlug: "a" })).toMatchObject({ type: "room_joined" });
    const chat = { type: "chat_message", roomSlug: "a", message: "hi" };
    expect(await answer(peer, chat)).toMatchObject({ code: "FORBIDDEN" });
  });

  test("is asked with the user, the topic and the action, once per connection", async () => {
    const asked: [User, string, string][] = [];
    const server = await servers.start({
      jwtSecret: SECRET,
      permissionChecker(user, topic, action) {
        asked.push([user, topic, action]);
        return permissionChecker(user, topic, action);
      },
    });
    const peer = await server.connect(token({ sub: 7, role: "player", permissions: ["x"] }));
    const publish = { type: "publish", topic: "team:7", event: "x" };
    for (const frame of [publish, publish, { type: "subscribe", topic: "team:7" }]) await answer(peer, frame);
    expect(asked.map(([, topic, action]) => [topic, action])).toEqual([
      ["team:7", "write"],
      ["team:7", "read"],
    ]);
    expect(asked[0]?.[0]).toMatchObject({ id: 7, username: "7", roles: ["player"], permissions: ["x"] });
  });
});

describe("a checker that fails", () => {
  const FAILING: readonly [what: string, permissionChecker: PermissionChecker][] = [
    [
      "throws",
      () => {
        throw new Error("broken");
      },
    ],
    ["rejects", async () => Promise.reject(new Error("broken"))],
  ];

  test.each(FAILING)(
    "because it %s denies, is logged, and the connection goes on",
    async (_what, permissionChecker) => {
      const server = await servers.start({ jwtSecret: SECRET, permissionChecker });
      const peer = await server.connect(token());
      expect(await answer(peer, { type: "subscribe", topic: "team:7" })).toMatchObject({ code: "FORBIDDEN" });
      expect(await answer(peer, { type: "ping" })).toMatchObject({ type: "pong" });
      const log = await server.logAfterStop();
      expect(log.filter(({ level }) => level === "error")).toMatchObject([{ error: { message: "broken" } }]);
    },
  );

  test("denies with anything but true", async () => {
    const server = await servers.start({ jwtSecret: SECRET, permissionChecker: () => JSON.parse('"yes"') });
    const peer = await server.connect(token());
    expect(await answer(peer, { type: "subscribe", topic: "team:7" })).toMatchObject({ code: "FORBIDDEN" });
  });

  test("denies after 2 s without an answer", async () => {
    const clock = new FakeClock();
    const failures: unknown[] = [];
    const ports = { clock, report: (error: unknown) => void failures.push(error) };
    const authorizer = authorizerOf(() => new Promise(() => undefined), ports);
    const checking = Promise.resolve(authorizer.check(principal(), "read", "team:7")).catch(() => "denied");
    clock.advance(2_000);
    expect(await checking).toBe("denied");
    expect(failures).toHaveLength(1);
  });
});
