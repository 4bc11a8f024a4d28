import { afterAll, describe, expect, test } from "bun:test";
import type { Handshake, PrincipalInput, TokenValidator } from "../../src/index.ts";
import { ProtocolError } from "../../src/index.ts";
import { EmbeddedServers } from "../support/embedded.ts";
import { inbox } from "../support/inbox.ts";
import type { UpgradeRequest } from "../support/http.ts";

/** Tokens that an application checks: opaque ones here, which are no JWTs. */

const USERS: Readonly<Record<string, PrincipalInput>> = {
  ada: { id: 1, username: "ada" },
  "ada-again": { id: 1, username: "ada", follows: [7] },
  "ada-reads-7": { id: 1, topics: { "conversation:7": ["read"] } },
  bob: { id: "b", username: "bob", roles: ["admin"] },
};
const servers = new EmbeddedServers();
afterAll(() => servers.stop());

const atOnce: TokenValidator = (token) => USERS[token] ?? null;
const later: TokenValidator = async (token) => {
  await new Promise((resolve) => setImmediate(resolve));
  return USERS[token] ?? null;
};
const BOTH = [
  ["at once", atOnce],
  ["by a promise", later],
] as const;

describe.each(BOTH)("a validator that answers %s", (_how, tokenValidator) => {
  const SOURCES: readonly [source: string, request: UpgradeRequest][] = [
    ["header", { path: "/ws", headers: [["Authorization", "Bearer ada"]] }],
    ["subprotocol", { path: "/ws", headers: [["Sec-WebSocket-Protocol", "auth, ada"]] }],
    ["query", { path: "/ws?token=ada" }],
    [
      "cookie",
      {
        path: "/ws",
        headers: [
          ["Cookie", "access_token=ada"],
          ["Origin", "http://localhost"],
        ],
      },
    ],
  ];

  test.each(SOURCES)(
    "decides an upgrade with the token by %s, and hears where it was shown",
    async (source, request) => {
      const shown: [string, Handshake][] = [];
      const server = await servers.start({
        tokenValidator(token, handshake) {
          shown.push([token, handshake]);
          return tokenValidator(token, handshake);
        },
      });
      const headers = [...(request.headers ?? []), ["User-Agent", "test/1"] as const];
      const { peer, status } = await server.upgrade({ ...request, headers });
      expect(status).toBe(101);
      expect(await peer.jsonOfType("connected")).toMatchObject({ user: { id: 1, username: "ada" }, expiresAt: null });
      expect(shown).toEqual([["ada", { endpoint: "/ws", address: "127.0.0.1", userAgent: "test/1", source }]] as never);
    },
  );

  test("decides every other token: auth, refresh, subscribe, and those of HTTP routes", async () => {
    const sources: string[] = [];
    const server = await servers.start({
      tokenValidator(token, handshake) {
        sources.push(handshake.source);
        return tokenValidator(token, handshake);
      },
    });
    const { peer } = await server.upgrade({ path: "/" });
    peer.send({ type: "auth", token: "ada" });
    expect(await peer.json()).toMatchObject({ type: "auth_success", user: { id: 1 } });
    peer.send({ type: "refresh", token: "ada-again" });
    expect(await peer.json()).toMatchObject({ type: "auth_refreshed", gained: ["followers:7"] });
    peer.send({ type: "refresh", token: "bob" });
    expect(await peer.json()).toMatchObject({ code: "FORBIDDEN" });
    peer.send({ type: "subscribe", topic: "conversation:7", token: "ada-reads-7" });
    expect(await peer.json()).toMatchObject({ type: "subscribed", topic: "conversation:7" });
    const stats = (token: string) => server.http("/ws/stats", { headers: { Authorization: `Bearer ${token}` } });
    expect([(await stats("bob")).status, (await stats("ada")).status, (await stats("nobody")).status]).toEqual([
      200, 403, 401,
    ]);
    expect(sources).toEqual(["frame", "frame", "frame", "frame", "http", "http", "http"]);
  });

  test("refuses with null: by the status, by the frame, by an error", async () => {
    const server = await servers.start({ tokenValidator });
    expect(await server.upgrade({ path: "/ws?token=nobody" })).toMatchObject({
      status: 401,
      body: { code: "AUTH_FAILED", message: "Invalid authentication token" },
    });
    const { peer } = await server.upgrade({ path: "/" });
    peer.send({ type: "auth", token: "nobody" });
    expect(await peer.json()).toMatchObject({ type: "auth_error", code: "AUTH_FAILED" });
    expect((await peer.closed()).code).toBe(4001);
    const ada = await server.connect("ada");
    ada.send({ type: "refresh", token: "nobody" });
    expect(await ada.json()).toMatchObject({ type: "error", code: "AUTH_FAILED" });
  });
});

describe("a validator that fails", () => {
  const away = async (): Promise<never> => Promise.reject(new Error("the database is away"));

  test("makes clients come back with the same token: 503, and 1011 where the verdict is a frame", async () => {
    const server = await servers.start({ tokenValidator: away });
    expect(await server.upgrade({ path: "/ws?token=ada" })).toMatchObject({
      status: 503,
      body: { code: "UNAVAILABLE" },
    });
    const { peer } = await server.upgrade({ path: "/" });
    peer.send({ type: "auth", token: "ada" });
    expect(await peer.json()).toMatchObject({ type: "auth_error", code: "UNAVAILABLE" });
    expect((await peer.closed()).code).toBe(1011);
  });

  test("leaves a connection its old token", async () => {
    let isAway = false;
    const server = await servers.start({
      tokenValidator: (token) => (isAway ? away() : atOnce(token, {} as never)),
    });
    const ada = await server.connect("ada");
    isAway = true;
    ada.send({ type: "refresh", token: "ada-again" });
    expect(await ada.json()).toMatchObject({ type: "error", code: "UNAVAILABLE" });
    expect(await inbox(ada)).toEqual([]);
  });

  test("is logged with what it threw, and without the token", async () => {
    const server = await servers.start({ tokenValidator: away });
    await server.upgrade({ path: "/ws?token=canary-0123456789" });
    const log = await server.logAfterStop();
    expect(log.filter(({ level }) => level === "error")).toMatchObject([
      { error: { message: "the database is away" }, correlationId: expect.any(String) },
    ]);
    expect(JSON.stringify(log)).not.toContain("canary");
  });

  test("with an answer that is no user is logged as the application's fault, and refuses", async () => {
    const server = await servers.start({ tokenValidator: () => JSON.parse('{"id":"secret canary"}') });
    expect(await server.upgrade({ path: "/ws?token=ada" })).toMatchObject({
      status: 401,
      body: { code: "AUTH_FAILED" },
    });
    const log = JSON.stringify(await server.logAfterStop());
    expect(log).toContain("a user needs an `id`");
    expect(log).not.toContain("canary");
  });

  test("with a code of its own refuses with that", async () => {
    const server = await servers.start({
      tokenValidator: () => {
        throw new ProtocolError("FORBIDDEN");
      },
    });
    expect(await server.upgrade({ path: "/ws?token=ada" })).toMatchObject({ status: 403, body: { code: "FORBIDDEN" } });
  });
});

test("an upgrade waits for a slow validator, and so do the frames behind auth", async () => {
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<PrincipalInput>();
  const server = await servers.start({
    tokenValidator() {
      asked.resolve();
      return answer.promise;
    },
  });
  const upgrading = await server.peer();
  const upgraded = upgrading.upgrade({ path: "/ws?token=ada" });
  const { peer } = await server.upgrade({ path: "/" });
  peer.sendAll([
    { type: "auth", token: "ada" },
    { type: "join_room", roomSlug: "lobby" },
  ]);
  await asked.promise;
  expect([upgrading.responses().length, peer.pendingMessages]).toEqual([0, 0]);
  answer.resolve({ id: "u1" });
  expect((await upgraded).status).toBe(101);
  expect([await peer.json(), await peer.json()]).toMatchObject([{ type: "auth_success" }, { type: "room_joined" }]);
});

test("access ends when the application said it does", async () => {
  const expiresAt = Date.now() + 1_000;
  const server = await servers.start({
    clockToleranceS: 0,
    tokenValidator: () => ({ id: "u1", expiresAt }),
  });
  const { peer } = await server.upgrade({ path: "/ws?token=any" });
  expect(await peer.jsonOfType("connected")).toMatchObject({ expiresAt });
  expect(await peer.closed()).toEqual({ code: 4001, reason: "TOKEN_EXPIRED" });
  expect(await server.upgrade({ path: "/ws?token=any" })).toMatchObject({
    status: 401,
    body: { code: "TOKEN_EXPIRED" },
  });
});

test("too many tokens that are nobody's limit their address, good tokens included", async () => {
  const server = await servers.start({ tokenValidator: atOnce, authFailuresPerMinute: 2 });
  for (const token of ["x", "y"]) await server.upgrade({ path: `/ws?token=${token}` });
  expect(await server.upgrade({ path: "/ws?token=ada" })).toMatchObject({
    status: 429,
    body: { code: "RATE_LIMITED" },
  });
});
