import { expect, test } from "bun:test";
import type { UpgradeRequest } from "../support/http.ts";
import { TestNode, token } from "../support/node.ts";

/** Marked secrets in every place where one can be, good ones and bad ones, taken and refused: none is ever seen again. */

const MARK = "q7ZkCANARY";

/** Every way to write a secret into a handshake or a plain request. */
const CARRIERS: readonly ((secret: string) => UpgradeRequest)[] = [
  (secret) => ({ path: `/ws?token=${secret}` }),
  (secret) => ({ path: `/?token=${secret}` }),
  (secret) => ({ path: `/ws?token=${secret}&token=${secret}` }),
  (secret) => ({ path: `/ws?ticket=${secret}` }),
  (secret) => ({ path: `/ws?ticket=${secret}&token=${secret}` }),
  (secret) => ({ path: `/ws?Token=${secret}` }),
  (secret) => ({ path: `/ws?%74oken=${secret}` }),
  (secret) => ({ path: `/ws?x=1;token=${secret}` }),
  (secret) => ({ path: `/ws?format=${secret}&heartbeat=${secret}` }),
  (secret) => ({ path: `/ws%3Ftoken=${secret}` }),
  (secret) => ({ path: `/nowhere?token=${secret}` }),
  (secret) => ({ path: "/ws", headers: [["Authorization", `Bearer ${secret}`]] }),
  (secret) => ({ path: "/ws", headers: [["Authorization", `Basic ${secret}`]] }),
  (secret) => ({ path: "/ws", headers: [["Authorization", secret]] }),
  (secret) => ({ path: "/ws", headers: [["X-API-Key", secret]] }),
  (secret) => ({ path: "/ws", headers: [["Sec-WebSocket-Protocol", `auth, ${secret}`]] }),
  (secret) => ({ path: "/ws", headers: [["Sec-WebSocket-Protocol", `${secret}, auth`]] }),
  (secret) => ({ path: "/ws", headers: [["Cookie", `access_token=${secret}`]] }),
  (secret) => ({ path: "/ws", headers: [["Cookie", `access_token=${secret}; access_token=${secret}`]] }),
  (secret) => ({
    path: "/ws",
    headers: [
      ["Cookie", `access_token=${secret}`],
      ["Origin", "http://localhost"],
    ],
  }),
  (secret) => ({ path: "/ws", headers: [["Referer", `https://a.example/?token=${secret}`]] }),
  (secret) => ({ path: `/ws?token=${secret}`, key: "abc" }),
  (secret) => ({ path: `/ws?token=${secret}`, version: "8" }),
  (secret) => ({ path: `/ws?token=${secret}`, host: "a:b:c" }),
  (secret) => ({ path: `/ws?token=${secret}`, method: "POST" }),
];

/** Where only what looks like a token is one: nobody else's text is taken out of a path or the name of a program. */
const TOKEN_CARRIERS: readonly ((jwt: string) => UpgradeRequest)[] = [
  (jwt) => ({ path: `/nowhere/${jwt}` }),
  (jwt) => ({ path: `/ws/${jwt}` }),
  (jwt) => ({ path: "/ws", headers: [["User-Agent", `agent ${jwt}`]] }),
];

const HTTP: readonly ((secret: string) => readonly [path: string, init: RequestInit])[] = [
  (secret) => ["/ws/stats", { headers: { Authorization: `Bearer ${secret}` } }],
  (secret) => ["/ws/stats", { headers: { "X-API-Key": secret } }],
  (secret) => ["/ws/stats", { headers: { "X-API-Key": secret, Authorization: `Bearer ${secret}` } }],
  (secret) => ["/ws/stats", { headers: { Cookie: `access_token=${secret}` } }],
  (secret) => [`/ws/stats?token=${secret}&api_key=${secret}`, {}],
  (secret) => [`/ws/stats?format=${secret}`, { headers: { Authorization: `Bearer ${token({ role: "admin" })}` } }],
  (secret) => ["/api/ws/ticket", { method: "POST", headers: { Authorization: `Bearer ${secret}` } }],
  (secret) => [`/api/ws/ticket?ticket=${secret}`, { method: "POST", headers: { Cookie: `access_token=${secret}` } }],
  (secret) => ["/api/tokens/revoke", { ...json({ jti: secret.slice(0, 200) }), headers: { "X-API-Key": secret } }],
  (secret) => ["/api/topics", { headers: { "X-API-Key": secret } }],
  (secret) => ["/api/topics", { headers: { Authorization: `Bearer ${secret}` } }],
  (secret) => [`/api/topics?limit=${secret}`, { headers: { "X-API-Key": secret } }],
  (secret) => ["/api/users/ada/send", { ...json({ event: "note", token: secret }), headers: { "X-API-Key": secret } }],
  (secret) => [
    `/api/stream/room:r?event=${secret}`,
    { method: "POST", headers: { "X-API-Key": secret }, body: secret },
  ],
  (secret) => ["/metrics", { headers: { Authorization: `Bearer ${secret}` } }],
  (secret) => [`/metrics?token=${secret}`, {}],
  (secret) => [`/health?token=${secret}`, {}],
  (secret) => ["/api/login", json({ username: "ada", password: secret })],
  (secret) => ["/api/login", json({ username: secret.slice(0, 64), password: "x" })],
  (secret) => ["/api/register", json({ username: "bob", password: secret.slice(0, 1_000) })],
  (secret) => ["/api/register", json({ username: "bob", password: secret.slice(0, 1_000) })],
  (secret) => ["/api/login", json({ username: "bob", password: secret.slice(0, 1_000) })],
  (secret) => ["/api/login", json({ password: secret })],
  (secret) => [
    "/api/login",
    { method: "POST", headers: { "Content-Type": "application/json" }, body: `{"password":"${secret}` },
  ],
  (secret) => ["/api/login", { method: "POST", headers: { "Content-Type": secret.slice(0, 200) }, body: secret }],
];

function json(body: object): RequestInit {
  return { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
}

const FRAMES: readonly ((secret: string) => object)[] = [
  (secret) => ({ type: "auth", token: secret }),
  (secret) => ({ type: "refresh", token: secret }),
  (secret) => ({ type: "subscribe", topic: "conversation:c", token: secret }),
  (secret) => ({ type: "subscribe", topic: "room:r", token: secret }),
  (secret) => ({ type: "refresh", token: [secret] }),
  (secret) => ({ type: secret }),
  (secret) => ({ type: "nothing", token: secret, password: secret }),
];

const UNLIMITED = { HANDSHAKES_PER_SECOND: "10000", HANDSHAKE_BURST: "10000", AUTH_FAILURES_PER_MINUTE: "100000" };

test("in no log, audit record, metric or answer is any part of a token, key, ticket or password", async () => {
  const metricsToken = `${MARK}-${crypto.randomUUID()}`;
  const apiKey = `${MARK}-${crypto.randomUUID()}`;
  const secretOfNode = `${MARK}-${crypto.randomUUID()}-${crypto.randomUUID()}`;
  const node = await TestNode.start({
    ...{ ...UNLIMITED, LOG_LEVEL: "trace", ACCOUNTS: "on", MAX_CONNECTIONS_PER_USER: "3" },
    ...{ JWT_SECRET: secretOfNode, METRICS_TOKEN: metricsToken, API_KEY: apiKey },
  });
  const issue = (claims: Record<string, unknown>, secret = secretOfNode): string =>
    token({ canary: MARK, jti: crypto.randomUUID(), ...claims }, secret);
  const kinds: readonly (() => string)[] = [
    () => issue({ sub: "ada" }),
    () => issue({ sub: "ada", role: "admin" }),
    () => issue({ sub: "ada", exp: 1_000 }),
    () => issue({ sub: "ada" }, "w".repeat(40)),
    () => issue({ sub: "ada", isActive: false }),
    () => issue({ sub: "ada", pad: "x".repeat(9_000) }),
    () => apiKey,
    () => `${MARK}-no-token-at-all-${crypto.randomUUID()}`,
  ];
  const secrets: string[] = [metricsToken, secretOfNode, apiKey];
  let answers = "";
  const take = (text: string): void => {
    answers += text;
  };
  const make = (kind: () => string): string => {
    const secret = kind();
    secrets.push(secret);
    return secret;
  };
  for (const kind of kinds) {
    const isToken = kind().split(".").length === 3;
    for (const carrier of isToken ? [...CARRIERS, ...TOKEN_CARRIERS] : CARRIERS) {
      const peer = await node.peer();
      const { headers, body } = await peer.upgrade(carrier(make(kind)));
      take(JSON.stringify([...headers]) + body);
      peer.destroy();
    }
    for (const request of HTTP) {
      const [path, init] = request(make(kind));
      const response = await node.http(path, init);
      const text = await response.text();
      // A token that was asked for is the one thing that an answer may hold.
      take(JSON.stringify([...response.headers]) + (response.status < 300 && path === "/api/login" ? "" : text));
    }
    const peer = await node.upgraded({ path: `/ws?token=${token({ sub: "eve" }, secretOfNode)}` });
    for (const frame of FRAMES) peer.send(frame(make(kind)));
    peer.send({ type: "ping", id: "last" });
    for (;;) {
      const frame = await peer.json();
      take(JSON.stringify(frame));
      if (frame["id"] === "last") break;
    }
    peer.close(3_999, make(kind).slice(0, 100));
    await peer.ended();
    const first = await node.upgraded({ path: "/" });
    first.send({ type: "auth", token: make(kind) });
    // A frame over 8 KiB ends the connection without one.
    await first.until("an answer or the end", () => first.pendingMessages > 0 || first.isEnded || undefined);
    if (first.pendingMessages > 0) take(JSON.stringify(await first.json()));
    first.destroy();
  }
  take(await (await node.http("/metrics", { headers: { Authorization: `Bearer ${metricsToken}` } })).text());
  expect((await node.http("/health")).status).toBe(200);
  const written = (await node.writtenAfterStop()) + answers;
  await node.stop();

  expect(written.length).toBeGreaterThan(50_000);
  expect(written).not.toContain(MARK);
  const parts = secrets.flatMap((secret) => secret.split(".")).filter((part) => part.length > 24);
  const pieces = parts.flatMap((part) => [part.slice(0, 24), part.slice(-24)]);
  // The header of every token is the same, and no secret.
  const header = token().split(".")[0] ?? "";
  const found = pieces.filter((piece) => !header.includes(piece) && written.includes(piece));
  expect(found).toEqual([]);
}, 60_000);
