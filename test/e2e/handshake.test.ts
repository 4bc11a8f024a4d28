import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { SAMPLE_KEY, type UpgradeRequest, upgradeRequest } from "../support/http.ts";
import { TestNode, token } from "../support/node.ts";
import { oneNode, oneNodeSuite } from "../support/one-node.ts";
import type { HttpResponse, RawPeer } from "../support/peer.ts";
import { onBun } from "../support/on-bun.ts";
import { writeWithAnother } from "../support/pipelined.ts";
import { IS_UWS } from "../support/second-engine.ts";

/** The handshake of a running node: who gets a connection, and what everybody else is told. */

const APP = "https://app.example";

let node: TestNode;
let bystander: RawPeer;

beforeEach(async () => {
  node = await TestNode.start({ ALLOWED_ORIGINS: APP, TRUSTED_PROXIES: "127.0.0.1", AUTH_FAILURES_PER_MINUTE: "5" });
  bystander = await node.connect("bystander");
});

afterEach(async () => {
  bystander.send({ type: "ping", id: "served" });
  expect(await bystander.jsonOfType("pong", 1_000)).toMatchObject({ id: "served" });
  await node.stop();
});

const bearer = (jwt: string): readonly [string, string] => ["Authorization", `Bearer ${jwt}`];
const from = (address: string): readonly [string, string] => ["X-Forwarded-For", address];

async function answerTo(request: UpgradeRequest): Promise<HttpResponse> {
  const peer = await node.peer();
  return peer.upgrade({ path: "/ws", ...request });
}

function codeOf(response: HttpResponse): unknown {
  return JSON.parse(response.body).code;
}

/** The statuses of one request after another, each on its own connection. */
async function statusesOf(count: number, request: UpgradeRequest): Promise<number[]> {
  const statuses: number[] = [];
  for (let sent = 0; sent < count; sent += 1) statuses.push((await answerTo(request)).status);
  return statuses;
}

describe("on /ws", () => {
  test("a good token is greeted with every field of the connected frame", async () => {
    const jwt = token({ sub: 7, username: "ada", name: "Ada L", role: "admin", follows: [9, "x", "x"] });
    const peer = await node.upgraded({ path: "/ws", headers: [bearer(jwt)] });
    const connected = await peer.json();
    expect(connected).toMatchObject({
      type: "connected",
      protocol: 1,
      user: { id: 7, username: "ada", name: "Ada L", roles: ["admin"] },
      endpoint: "/ws",
      heartbeat: { intervalMs: 30_000, timeoutMs: 90_000 },
      limits: { maxMessageBytes: 65_536, maxTopics: 128, messagesPerSecond: 20 },
      nodeId: expect.stringMatching(/^node-[12]$/),
    });
    expect(connected["connectionId"]).toBeString();
    expect(connected["timestamp"]).toBeInteger();
    const expiresAt: unknown = JSON.parse(Buffer.from(jwt.split(".")[1] ?? "", "base64url").toString()).exp;
    expect(connected["expiresAt"]).toBe(Number(expiresAt) * 1_000);
    const epoch: unknown = expect.any(String);
    expect(connected["topics"]).toEqual([
      { topic: "user:7", offset: 0, epoch },
      { topic: "followers:9", offset: 0, epoch },
      { topic: "followers:x", offset: 0, epoch },
    ]);
    expect(connected["user"]).toHaveProperty("permissions", expect.arrayContaining(["system.publish"]));
    expect(JSON.stringify(connected)).not.toContain(jwt);
  });

  test.each([
    ["none", {}, 401, "AUTH_REQUIRED"],
    ["garbage", { headers: [bearer("a.b.c")] }, 401, "AUTH_FAILED"],
    ["another secret's", { headers: [bearer(token({}, "x".repeat(40)))] }, 401, "AUTH_FAILED"],
    ["an expired one", { headers: [bearer(token({ exp: 1_000 }))] }, 401, "TOKEN_EXPIRED"],
    ["an inactive user's", { headers: [bearer(token({ isActive: false }))] }, 403, "FORBIDDEN"],
    ["an unknown ticket", { path: "/ws?ticket=abc" }, 401, "AUTH_FAILED"],
    ["another scheme", { headers: [["Authorization", "Basic YTpi"]] }, 400, "BAD_REQUEST"],
  ] as const)("a token that is no good (%s) is refused before the upgrade", async (_what, request, status, code) => {
    const peer = await node.peer();
    const response = await peer.upgrade({ path: "/ws", ...request });
    expect(response.status).toBe(status);
    expect(response.headers.get("connection")).toEqual(["close"]);
    expect(response.headers.get("content-type")).toEqual(["application/json"]);
    expect(response.headers.get("cache-control")).toEqual(["no-store"]);
    expect(JSON.parse(response.body)).toEqual({
      type: "error",
      code,
      message: expect.any(String),
      timestamp: expect.any(Number),
    });
    await peer.ended();
  });

  test("four kinds of unknown tokens get the same status and the same body", async () => {
    const tokens = ["a.b.c", token({}, "y".repeat(40)), `${token()}x`, token().slice(0, -3)];
    const answers = new Set<string>();
    for (const jwt of tokens) {
      const { status, body } = await answerTo({ headers: [bearer(jwt)] });
      answers.add(`${status} ${body.replace(/"timestamp":\d+/, "")}`);
    }
    expect(answers.size).toBe(1);
  });
});

describe("a path", () => {
  const tricks = ["/ws/../metrics", "/ws%2f..%2fmetrics", "//ws", "/WS", "/ws;x", "/ws%00", "/ws%", "/ws/", "/nowhere"];

  test.each(tricks)("%s is no endpoint", async (path) => {
    const response = await answerTo({ path, headers: [bearer(token())] });
    expect([400, 404]).toContain(response.status);
    expect(response.headers.get("connection")).toEqual(["close"]);
  });

  test("that is an endpoint answers a plain GET with 426 and what to upgrade to", async () => {
    const response = await node.http("/ws");
    expect(response.status).toBe(426);
    expect(response.headers.get("upgrade")).toBe("websocket");
    expect(await response.json()).toMatchObject({ type: "error", code: "UPGRADE_REQUIRED" });
  });

  test.each(["/admin", "/debug", "/.env", "/.git/HEAD", "/ws/../../etc/passwd"])(
    "%s is 404 and names no version",
    async (path) => {
      const response = await node.http(path);
      expect(response.status).toBe(404);
      expect(response.headers.has("server")).toBe(false);
      expect(response.headers.has("x-powered-by")).toBe(false);
    },
  );
});

oneNodeSuite("limits")("limits of the handshake", () => {
  test("refuse the connection after a user's last allowed one, and allow it again once another ended", async () => {
    const small = await TestNode.start({ MAX_CONNECTIONS_PER_USER: "2" });
    const first = await small.connect("ada");
    await small.connect("ada");
    const refused = await (await small.peer()).upgrade({ path: `/ws?token=${token({ sub: "ada" })}` });
    expect([refused.status, codeOf(refused)]).toEqual([429, "CONNECTION_LIMIT"]);
    expect(Number(refused.headers.get("retry-after")?.[0])).toBeGreaterThan(0);
    expect((await small.connect("bob")).isEnded).toBe(false);
    first.close();
    await first.ended();
    await small.metricIs("tautline_connections", (count) => count === 2);
    expect((await small.connect("ada")).isEnded).toBe(false);
    await small.stop();
  });

  test("refuse an address over its rate with Retry-After, and nobody else", async () => {
    const slow = await TestNode.start({
      ...{ HANDSHAKES_PER_SECOND: "1", HANDSHAKE_BURST: "3", TRUSTED_PROXIES: "127.0.0.1" },
    });
    const statusFrom = async (address: string): Promise<HttpResponse> => {
      const peer = await slow.peer();
      return peer.upgrade({ path: "/ws", headers: [bearer(token({ sub: address })), from(address)] });
    };
    const statuses: number[] = [];
    for (let sent = 0; sent < 3; sent += 1) statuses.push((await statusFrom("203.0.113.9")).status);
    const refused = await statusFrom("203.0.113.9");
    expect(statuses).toEqual([101, 101, 101]);
    expect([refused.status, codeOf(refused)]).toEqual([429, "RATE_LIMITED"]);
    expect(Number(refused.headers.get("retry-after"))).toBeWithin(1, 3);
    expect((await statusFrom("203.0.113.10")).status).toBe(101);
    await slow.stop();
  });

  test("hold the connections of the node", async () => {
    const small = await TestNode.start({ MAX_CONNECTIONS: "1" });
    await small.connect("ada");
    const refused = await (await small.peer()).upgrade({ path: `/ws?token=${token({ sub: "bob" })}` });
    expect([refused.status, codeOf(refused)]).toEqual([503, "OVERLOADED"]);
    expect(refused.headers.has("retry-after")).toBe(true);
    await small.stop();
  });

  test("refuse an address that keeps failing to authenticate, but not a token known to be good, nor another address", async () => {
    const good = { headers: [bearer(token({ sub: "ada" })), from("198.51.100.1")] };
    expect((await answerTo(good)).status).toBe(101);
    const statuses: number[] = [];
    for (let sent = 0; sent < 7; sent += 1) {
      const bad = bearer(token({ sub: `x${sent}` }, "z".repeat(40)));
      statuses.push((await answerTo({ headers: [bad, from("198.51.100.1")] })).status);
    }
    expect(statuses).toEqual([401, 401, 401, 401, 401, 429, 429]);
    expect((await answerTo({ headers: [bearer(token({ sub: "bob" })), from("198.51.100.1")] })).status).toBe(429);
    expect((await answerTo(good)).status).toBe(101);
    expect((await answerTo({ headers: [bearer(token({ sub: "eve" })), from("198.51.100.2")] })).status).toBe(101);
  });

  test("count one bad token once, however often it comes", async () => {
    const bad = { headers: [bearer(token({}, "z".repeat(40))), from("198.51.100.3")] };
    expect(new Set(await statusesOf(8, bad))).toEqual(new Set([401]));
  });
});

describe("the client's address", () => {
  const auditedAddress = async (trusted: string, lines: readonly string[]): Promise<unknown> => {
    const other = await TestNode.start(trusted === "" ? {} : { TRUSTED_PROXIES: trusted });
    const headers = lines.map((line) => ["X-Forwarded-For", line] as const);
    const noise = [
      ["Forwarded", "for=6.6.6.6"],
      ["X-Real-IP", "6.6.6.6"],
    ] as const;
    await other.upgraded({ path: `/ws?token=${token()}`, headers: [...headers, ...noise] });
    const audit = await other.auditAfterStop();
    await other.stop();
    return audit.find((record) => record["event"] === "connection.accepted")?.["address"];
  };

  test.each([
    ["the peer's when no proxy is trusted", "", ["1.2.3.4"], "127.0.0.1"],
    ["the rightmost untrusted one", "127.0.0.1,10.0.0.0/8", ["6.6.6.6, 203.0.113.9, 10.0.0.7"], "203.0.113.9"],
    ["read over several lines in order", "127.0.0.1", ["6.6.6.6", "203.0.113.9"], "203.0.113.9"],
    ["freed of its port", "127.0.0.1", ["203.0.113.9:5678"], "203.0.113.9"],
    ["IPv6 in brackets", "127.0.0.1", ["[2001:db8::1]:99"], "2001:db8::1"],
    ["IPv4 inside IPv6", "127.0.0.1", ["::ffff:203.0.113.9"], "203.0.113.9"],
    ["the peer's for garbage", "127.0.0.1", ["unknown"], "127.0.0.1"],
    ["the peer's for commas", "127.0.0.1", [",,,"], "127.0.0.1"],
    ["the peer's for another notation", "127.0.0.1", ["0x7f.1"], "127.0.0.1"],
    ["the peer's for an empty line", "127.0.0.1", [""], "127.0.0.1"],
  ] as const)("is %s", async (_what, trusted, lines, expected) => {
    expect(await auditedAddress(trusted, lines)).toBe(expected);
  });

  oneNode("lines")("of a proxy that nobody named is warned about once and limited by nothing", async () => {
    const other = await TestNode.start({ HANDSHAKES_PER_SECOND: "1", HANDSHAKE_BURST: "1" });
    for (let sent = 0; sent < 4; sent += 1) {
      await other.upgraded({ path: `/ws?token=${token()}`, headers: [from("203.0.113.9")] });
    }
    const log = await other.logAfterStop();
    expect(log.filter((line) => String(line["msg"]).includes("TRUSTED_PROXIES"))).toHaveLength(1);
    await other.stop();
  });
});

test("a refused upgrade ends the connection: what was pipelined behind it is never answered", async () => {
  const peer = await node.peer();
  const behind = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
  await writeWithAnother(peer, Buffer.from(upgradeRequest({ path: "/ws" })), behind);
  await peer.ended();
  expect(peer.responses().map(({ status }) => status)).toEqual([401]);
});

onBun("packet")(
  "frames in the packet of the handshake are handled once the token is good, wherever the packet is cut",
  async () => {
    const request = Buffer.from(upgradeRequest({ path: `/ws?token=${token({ sub: "early" })}` }));
    const frame = Buffer.from([0x81, 0x8f, 0, 0, 0, 0, ...Buffer.from('{"type":"ping"}')]);
    const bytes = Buffer.concat([request, frame]);
    for (let cut = request.length - 12; cut <= bytes.length; cut += 3) {
      const peer = await node.peer();
      peer.writeRaw(bytes.subarray(0, cut));
      peer.writeRaw(bytes.subarray(cut));
      expect((await peer.response()).status).toBe(101);
      expect((await peer.jsonOfType("pong"))["type"]).toBe("pong");
      peer.close();
      await peer.ended();
      await node.metricIs("tautline_connections", (count) => count <= 5);
    }
  },
);

test("frames in the packet of a refused handshake are never handled", async () => {
  const member = await node.member("ada", "early");
  const publish = JSON.stringify({ type: "chat_message", roomSlug: "early", message: "before auth" });
  const frame = Buffer.from([0x81, 0x80 | publish.length, 0, 0, 0, 0, ...Buffer.from(publish)]);
  const peer = await node.peer();
  peer.writeRaw(Buffer.concat([Buffer.from(upgradeRequest({ path: "/ws" })), frame]));
  await peer.ended();
  // What follows the refusal is no HTTP: the engine may answer 400 to it before the end.
  const [first, ...rest] = peer.responses().map(({ status }) => status);
  expect(first).toBe(IS_UWS ? 505 : 401);
  expect(rest.filter((status) => status !== 400)).toEqual([]);
  member.send({ type: "ping" });
  expect((await member.json())["type"]).toBe("pong");
});

test("a URL of 100 KB is refused and ends the connection", async () => {
  const peer = await node.peer();
  const response = await peer.request(upgradeRequest({ path: `/ws?token=${"a".repeat(100_000)}` }));
  expect([400, 414, 431, ...(IS_UWS ? [505] : [])]).toContain(response.status);
  await peer.ended();
});

test("the answer to the sample key of RFC 6455 is its accept value", async () => {
  const response = await answerTo({ key: SAMPLE_KEY, headers: [bearer(token())] });
  expect(response.headers.get("sec-websocket-accept")).toEqual(["s3pPLMBiTxaQ9kYGzzhZRbK+xOo="]);
});

test("handshakes whose peers go away in the middle leave nothing behind", async () => {
  const request = upgradeRequest({ path: `/ws?token=${token({ sub: "gone" })}` });
  for (let round = 0; round < 60; round += 1) {
    const peer = await node.peer();
    peer.writeRaw(round % 2 === 0 ? request : request.slice(0, -2));
    peer.destroy();
  }
  await node.metricIs("tautline_connections", (count) => count === 1);
  await node.metricIs("tautline_users", (count) => count === 1);
  expect((await node.connect("gone")).isEnded).toBe(false);
});
