import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { UpgradeRequest } from "../support/http.ts";
import { TestNode, token } from "../support/node.ts";
import { oneNode } from "../support/one-node.ts";
import type { RawPeer } from "../support/peer.ts";

/** Every endpoint against every kind of credential: who gets in, and how everybody else is told. */

const APP = "https://app.example";
const GRANT = { topics: { "conversation:42": ["read", "write"] } };

interface Row {
  readonly template: string;
  readonly refusesBy: "status" | "close" | "frame";
  readonly greeting: "connected" | "auth_success";
  readonly pathOf: (userId: string) => string;
  /** Automatic topics besides the user's own. */
  readonly topics: (userId: string) => readonly string[];
}

const byStatus = { refusesBy: "status", greeting: "connected", topics: () => [] } as const;
const byClose = { ...byStatus, refusesBy: "close" } as const;

const ROWS: readonly Row[] = [
  { ...byStatus, template: "/ws", pathOf: () => "/ws" },
  { ...byStatus, template: "/api/ws", pathOf: () => "/api/ws" },
  { ...byStatus, template: "/api/ws/{player_id}", pathOf: () => "/api/ws/hero" },
  { ...byStatus, template: "/realtime", pathOf: () => "/realtime" },
  { ...byClose, template: "/ws/{user_id}", pathOf: (userId) => `/ws/${userId}` },
  {
    ...byClose,
    template: "/ws/conversation/{user_id}/{conversation_id}",
    pathOf: (userId) => `/ws/conversation/${userId}/42`,
    topics: () => ["conversation:42"],
  },
  {
    ...byClose,
    template: "/api/v1/web3/ws/{user_id}",
    pathOf: (userId) => `/api/v1/web3/ws/${userId}`,
    topics: (userId) => [`wallet:${userId}`],
  },
  { template: "/", refusesBy: "frame", greeting: "auth_success", pathOf: () => "/", topics: () => [] },
];

const TABLE = ROWS.map((row) => [row.template, row] as const);
const BY_CLOSE = TABLE.filter(([, { refusesBy }]) => refusesBy === "close");

let node: TestNode;

beforeAll(async () => {
  node = await TestNode.start({
    ALLOWED_ORIGINS: APP,
    AUTH_FAILURES_PER_MINUTE: "100000",
    HANDSHAKE_BURST: "100000",
    MAX_CONNECTIONS_PER_USER: "1",
  });
});

afterAll(() => node.stop());

let users = 0;

/** A user that no other test knows, so that none is in another's way. */
function newUser(): string {
  users += 1;
  return `user-${users}`;
}

const bearer = (jwt: string): readonly [string, string] => ["Authorization", `Bearer ${jwt}`];
const tokenOf = (userId: string, claims: Record<string, unknown> = {}): string =>
  token({ sub: userId, ...GRANT, ...claims });

interface Refusal {
  readonly code: string;
  readonly status: number;
  readonly close: number;
  /** Of the close frame. */
  readonly reason: string;
}

/** What the endpoint's own way of refusing looks like, and that there is nothing else. */
async function expectRefusal(peer: RawPeer, row: Row, request: UpgradeRequest, expected: Refusal): Promise<void> {
  const response = await peer.upgrade(request);
  if (row.refusesBy === "status") {
    expect([response.status, JSON.parse(response.body).code]).toEqual([expected.status, expected.code]);
    expect(response.headers.get("connection")).toEqual(["close"]);
    await peer.ended();
    return;
  }
  expect(response.status).toBe(101);
  if (row.refusesBy === "frame") expect(await peer.json()).toMatchObject({ type: "auth_error", code: expected.code });
  const { code, reason } = await peer.closed();
  expect([code, reason]).toEqual([expected.close, row.refusesBy === "frame" ? expected.code : expected.reason]);
  expect(peer.pendingMessages).toBe(0);
}

describe.each(TABLE)("%s", (template, row) => {
  test("greets a good token with the template of its path and the topics that it brings", async () => {
    const user = newUser();
    const peer = await node.upgraded({ path: row.pathOf(user), headers: [bearer(tokenOf(user))] });
    const greeting = await peer.json();
    expect(greeting).toMatchObject({ type: row.greeting, endpoint: template, user: { id: user } });
    const epoch: unknown = expect.any(String);
    expect(greeting["topics"]).toEqual(
      [`user:${user}`, ...row.topics(user)].map((topic) => ({ topic, offset: 0, epoch })),
    );
    peer.send({ type: "ping", id: 1 });
    expect(await peer.json()).toMatchObject({ type: "pong", id: 1 });
  });

  test.each<[string, (jwt: string, path: string) => UpgradeRequest]>([
    ["the subprotocols", (jwt, path) => ({ path, headers: [["Sec-WebSocket-Protocol", `auth, ${jwt}`]] })],
    ["the query", (jwt, path) => ({ path: `${path}?token=${jwt}` })],
  ])("takes the token from %s", async (_where, requestWith) => {
    const user = newUser();
    const peer = await node.upgraded(requestWith(tokenOf(user), row.pathOf(user)));
    expect(await peer.json()).toMatchObject({ type: row.greeting });
  });

  test("reads the cookie of an allowed page, unless a token may come by the first frame", async () => {
    const user = newUser();
    const headers = [["Cookie", `access_token=${tokenOf(user)}`] as const, ["Origin", APP] as const];
    const peer = await node.upgraded({ path: row.pathOf(user), headers });
    if (row.refusesBy !== "frame") expect(await peer.json()).toMatchObject({ type: "connected" });
    peer.send({ type: "ping" });
    const answer = await peer.json();
    expect(answer).toMatchObject(row.refusesBy === "frame" ? { code: "AUTH_REQUIRED" } : { type: "pong" });
  });

  test.each<[string, string, number, number, (userId: string) => string]>([
    ["a bad token", "AUTH_FAILED", 401, 4001, (userId) => token({ sub: userId }, "z".repeat(40))],
    ["an expired token", "TOKEN_EXPIRED", 401, 4001, (userId) => tokenOf(userId, { exp: 1_000 })],
    ["an inactive user", "FORBIDDEN", 403, 4003, (userId) => tokenOf(userId, { isActive: false })],
  ])("refuses %s in its own way, and nothing is left of it", async (_what, code, status, close, jwtOf) => {
    const user = newUser();
    const reason = close === 4003 ? "FORBIDDEN" : "AUTH_REQUIRED";
    const request = { path: row.pathOf(user), headers: [bearer(jwtOf(user))] };
    await expectRefusal(await node.peer(), row, request, { code, status, close, reason });
    await node.connect(user); // the only connection that the user may have
  });

  oneNode("limits")("refuses a connection over the user's limit in its own way", async () => {
    const user = newUser();
    await node.connect(user);
    const request = { path: row.pathOf(user), headers: [bearer(tokenOf(user))] };
    const code = "CONNECTION_LIMIT";
    await expectRefusal(await node.peer(), row, request, { code, status: 429, close: 4008, reason: code });
  });

  test("without a token refuses in its own way, or waits for one", async () => {
    const path = row.pathOf(newUser());
    if (row.refusesBy === "frame") {
      const peer = await node.upgraded({ path });
      peer.send({ type: "ping", id: 1 });
      expect(await peer.json()).toMatchObject({ code: "AUTH_REQUIRED", id: 1 });
      return;
    }
    const refusal = { code: "AUTH_REQUIRED", status: 401, close: 4001, reason: "AUTH_REQUIRED" };
    await expectRefusal(await node.peer(), row, { path }, refusal);
  });

  test("refuses what is not about the token by the HTTP status", async () => {
    const user = newUser();
    const path = row.pathOf(user);
    const jwt = tokenOf(user);
    const ambiguous = { path: `${path}?token=${jwt}`, headers: [bearer(jwt)] };
    const foreign = { path, headers: [bearer(jwt), ["Origin", "https://evil.example"] as const] };
    const cookieOfNoPage = { path, headers: [["Cookie", `access_token=${jwt}`] as const] };
    const cases: readonly (readonly [UpgradeRequest, number, string])[] = [
      [ambiguous, 400, "BAD_REQUEST"],
      [foreign, 403, "ORIGIN_FORBIDDEN"],
      ...(row.refusesBy === "frame" ? [] : [[cookieOfNoPage, 403, "ORIGIN_FORBIDDEN"] as const]),
    ];
    for (const [request, status, code] of cases) {
      const peer = await node.peer();
      const response = await peer.upgrade(request);
      expect([response.status, JSON.parse(response.body).code]).toEqual([status, code]);
      await peer.ended();
    }
  });

  test("answers a plain request 426, but for the page at /", async () => {
    const response = await node.http(row.pathOf("ada"));
    expect(response.status).toBe(template === "/" ? 200 : 426);
  });

  test("answers the offered subprotocol even where it refuses behind the upgrade", async () => {
    const peer = await node.peer();
    const offer = ["Sec-WebSocket-Protocol", "msgpack, auth, a.b.c"] as const;
    const { status, headers } = await peer.upgrade({ path: row.pathOf("ada"), headers: [offer] });
    if (status === 101) expect(headers.get("sec-websocket-protocol")).toEqual(["msgpack"]);
    else expect(status).toBe(401);
  });
});

describe.each(BY_CLOSE)("%s", (_template, row) => {
  test("refuses the token of another user with 4003 and the user's id in the audit", async () => {
    const user = newUser();
    const request = { path: row.pathOf("someone-else"), headers: [bearer(tokenOf(user))] };
    await expectRefusal(await node.peer(), row, request, {
      ...{ code: "FORBIDDEN", status: 403 },
      ...{ close: 4003, reason: "FORBIDDEN" },
    });
    await node.connect(user);
  });

  test("never handles frames that come with a bad token", async () => {
    const member = await node.member(newUser(), "quiet");
    const peer = await node.peer();
    const publish = { type: "chat_message", roomSlug: "quiet", message: "before auth" };
    await peer.upgrade({ path: row.pathOf("ada"), headers: [bearer("a.b.c")] });
    peer.sendAll([{ type: "join_room", roomSlug: "quiet" }, publish]);
    expect((await peer.closed()).code).toBe(4001);
    member.send({ type: "ping" });
    expect(await member.json()).toMatchObject({ type: "pong" });
  });
});

oneNode("limits")("places and rates are an HTTP status on the endpoints that refuse by close code, too", async () => {
  const small = await TestNode.start({
    ...{ MAX_CONNECTIONS: "1", HANDSHAKES_PER_SECOND: "1", HANDSHAKE_BURST: "3", TRUSTED_PROXIES: "127.0.0.1" },
  });
  const answer = async (): Promise<readonly [number, unknown]> => {
    const headers = [bearer(token({ sub: "ada" })), ["X-Forwarded-For", "203.0.113.9"] as const];
    const { status, body } = await (await small.peer()).upgrade({ path: "/ws/ada", headers });
    return [status, status === 101 ? null : JSON.parse(body).code];
  };
  expect(await answer()).toEqual([101, null]);
  expect(await answer()).toEqual([503, "OVERLOADED"]);
  await small.stop();

  const slow = await TestNode.start({
    ...{ HANDSHAKES_PER_SECOND: "1", HANDSHAKE_BURST: "1", TRUSTED_PROXIES: "127.0.0.1" },
  });
  const from = ["X-Forwarded-For", "203.0.113.9"] as const;
  await slow.upgraded({ path: "/ws/ada", headers: [from] });
  const { status } = await (await slow.peer()).upgrade({ path: "/ws/ada", headers: [from] });
  expect(status).toBe(429);
  await slow.stop();
});

oneNode("lines")(
  "refusals by close code are counted and audited once, and the access line tells their code",
  async () => {
    const other = await TestNode.start();
    const refused = [
      ["/ws/ada", "AUTH_REQUIRED", null],
      ["/ws/ada?token=a.b.c", "AUTH_FAILED", null],
      [`/ws/bob?token=${token({ sub: "ada" })}`, "FORBIDDEN", "ada"],
    ] as const;
    for (const [path] of refused) {
      const peer = await other.upgraded({ path });
      await peer.closed();
    }
    const metrics = await other.metrics();
    for (const [, code] of refused) expect(metrics.get(`tautline_errors_total{code="${code}"}`)).toBe(1);
    expect(metrics.get('tautline_closes_total{code="4001"}')).toBe(2);
    expect(metrics.get('tautline_authentications_total{result="ok",code="OK"}')).toBe(0);
    const audit = await other.auditAfterStop();
    expect(audit.map(({ event, code, userId }) => [event, code, userId])).toEqual([
      ["auth.failed", "AUTH_REQUIRED", null],
      ["auth.failed", "AUTH_FAILED", null],
      ["connection.refused", "FORBIDDEN", "ada"],
    ]);
    const lines = (await other.logAfterStop()).filter(({ event }) => event === "handshake");
    expect(lines.map(({ path, status, code }) => [path, status, code])).toEqual([
      ["/ws/ada", 101, "AUTH_REQUIRED"],
      ["/ws/ada", 101, "AUTH_FAILED"],
      ["/ws/bob", 101, "FORBIDDEN"],
    ]);
    await other.stop();
  },
);
