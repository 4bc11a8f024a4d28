import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { fileURLToPath } from "node:url";
import { compileAccess, DEFAULT_ACCESS } from "../../src/access.ts";
import { loadConfig } from "../../src/config.ts";
import { TestNode, token } from "../support/node.ts";
import { oneNode } from "../support/one-node.ts";
import { principal } from "../support/principal.ts";
import { PrintingProcess } from "../support/printing-process.ts";
import { program, pythonWith } from "../support/programs.ts";
import { client, type Frame, Page } from "./page.ts";
import { differences } from "./shown.ts";

/** Three endpoints with the user in their path, refusal by close code, roles and permissions, statistics. */

const HOST = "localhost:8000";
const JWT = "your_jwt_token";
const STATS = {
  success: true,
  stats: {
    websocket_manager: {
      active_connections: 45,
      unique_users: 23,
      connection_types: { general: 20, conversation: 15, web3: 10 },
    },
    authentication: {
      active_connections: 45,
      unique_users: 23,
      max_connections_per_user: 10,
      connection_types: { general: 20, conversation: 15, web3: 10 },
    },
    security: { authenticated_connections: 45, unique_authenticated_users: 23, max_connections_per_user: 10 },
  },
  timestamp: 1649123456.789,
};

/** A user of the document, who may read and write one conversation. */
const USER = { sub: "user123", topics: { "conversation:42": ["read", "write"] } };

let node: TestNode;
const pages: Page[] = [];
const programs: PrintingProcess[] = [];

beforeAll(async () => {
  node = await TestNode.start({ API_KEY: "the-key-of-the-backend" });
});

afterEach(async () => {
  await Promise.all(pages.splice(0).map((opened) => opened.leave()));
  await Promise.all(programs.splice(0).map((running) => running.stop()));
});

afterAll(async () => {
  await node.stop();
});

function page(globals: Readonly<Record<string, unknown>> = {}): Page {
  const opened = new Page(globals);
  pages.push(opened);
  return opened;
}

function host(): string {
  return `127.0.0.1:${node.port}`;
}

/** The class of the document with its last lines, which connect. */
function start(jwt: string, userId = "user123"): Page {
  const visitor = page();
  visitor.enter(client("s2-client", { [HOST]: host(), [JWT]: jwt, "'user123'": `'${userId}'` }));
  return visitor;
}

async function publish(topic: string, event: string, data: unknown): Promise<void> {
  const response = await node.http("/api/publish", {
    method: "POST",
    headers: { "X-API-Key": "the-key-of-the-backend", "Content-Type": "application/json" },
    body: JSON.stringify({ topic, event, data }),
  });
  expect(response.status).toBe(200);
}

async function logOf(visitor: Page, text: string): Promise<unknown[]> {
  return visitor.until(`the log of ${text}`, () => visitor.logged.find(([first]) => first === text));
}

describe("the client in JavaScript", () => {
  test("is connected, and handed the confirmation", async () => {
    const visitor = start(token(USER));
    const frame = await visitor.frame("connected");
    expect(frame).toMatchObject({ user: { id: "user123", roles: ["user"] }, endpoint: "/ws/{user_id}" });
    await logOf(visitor, "Secure WebSocket connected");
    expect(await logOf(visitor, "Connection confirmed:")).toEqual(["Connection confirmed:", frame]);
  });

  test("subscribes to a conversation, and gets its answer token by token, its status and its context", async () => {
    const visitor = start(token(USER));
    await visitor.frame("connected");
    visitor.enter("client.subscribeToConversation('42')");
    expect(await visitor.frame("subscribed")).toMatchObject({ topic: "conversation:42", conversation_id: "42" });
    const events = [
      ["token", { messageId: "a1", index: 0, text: "Hel" }],
      ["token", { messageId: "a1", index: 1, text: "lo", done: true }],
      ["message_status", { messageId: "a1", status: "delivered" }],
      ["context_usage", { used: 120, limit: 8_000 }],
    ] as const;
    for (const [event, data] of events) await publish("conversation:42", event, data);
    for (const [event, data] of events) {
      expect(await visitor.frame(event)).toMatchObject({ type: event, topic: "conversation:42", data });
    }
  });

  test("is told of the error that a conversation of others is", async () => {
    const visitor = start(token(USER));
    await visitor.frame("connected");
    visitor.enter("client.subscribeToConversation('43')");
    expect(await logOf(visitor, "Server error:")).toEqual(["Server error:", "Insufficient permissions for topic"]);
  });

  test.each([
    ["a bad token", "garbage", "user123", 4001, "Authentication failed"],
    ["an expired token", token({ ...USER, exp: 1_000 }), "user123", 4001, "Authentication failed"],
    ["another user's token", token({ sub: "user456" }), "user123", 4003, "Access denied"],
  ])("sees by the close code that %s is refused", async (_what, jwt, userId, code, logged) => {
    const visitor = start(jwt, userId);
    expect(await visitor.until("the close", () => visitor.closes[0])).toBe(code);
    await logOf(visitor, logged);
    expect(visitor.opened).toBe(1);
  });

  oneNode("limits")("is closed 4008 beyond ten connections of its user", async () => {
    const jwt = token({ sub: "busy" });
    const visitors = Array.from({ length: 10 }, () => start(jwt, "busy"));
    for (const visitor of visitors) await visitor.frame("connected");
    const eleventh = start(jwt, "busy");
    expect(await eleventh.until("the close", () => eleventh.closes[0])).toBe(4008);
  });
});

describe("every way to bring the token", () => {
  test.each(["s2-query", "s2-secured"])("by the query (%s)", async (name) => {
    const jwt = token(USER);
    const replaced: Record<string, string> = { [HOST]: host() };
    if (name === "s2-query") replaced["your_jwt_token_here"] = jwt;
    const visitor = page({ getJWTToken: () => jwt });
    visitor.enter(client(name, replaced));
    expect(await visitor.frame("connected")).toMatchObject({ user: { id: "user123" } });
  });

  const nodejs = program("node", "nodejs");
  const modules = fileURLToPath(new URL("../../node_modules/", import.meta.url));

  test.skipIf(nodejs.path === null)(`by a header, in Node${nodejs.skipReason}`, async () => {
    const code = [
      `const WebSocket = require(${JSON.stringify(`${modules}ws`)});`,
      client("s2-header", { [HOST]: host(), your_jwt_token_here: token(USER) }),
      "ws.on('message', (data) => console.log(String(data)));",
    ].join("\n");
    const running = new PrintingProcess([nodejs.path ?? "", "-"], { input: code });
    programs.push(running);
    const frame: Frame = JSON.parse(await running.line("{"));
    expect(frame).toMatchObject({ type: "connected", user: { id: "user123" } });
  });

  test("by the cookie of a page of the same site", async () => {
    const peer = await node.upgraded({
      path: "/ws/user123",
      headers: [
        ["Cookie", `access_token=${token(USER)}`],
        ["Origin", "http://localhost"],
      ],
    });
    expect(await peer.jsonOfType("connected")).toMatchObject({ user: { id: "user123" } });
  });

  test("without one the connection is closed 4001", async () => {
    const visitor = page({ url: `ws://${host()}/ws/user123` });
    visitor.enter("const ws = new WebSocket(url)");
    expect(await visitor.until("the close", () => visitor.closes[0])).toBe(4001);
  });
});

describe("the client in Python", () => {
  const python = pythonWith("websockets", "python3-websockets");
  const run = (jwt: string): PrintingProcess => {
    const code = client("s2-client.py", { [HOST]: host(), [JWT]: jwt });
    const running = new PrintingProcess([python.path ?? "", "-u", "-"], { input: code });
    programs.push(running);
    return running;
  };

  test.skipIf(python.path === null)(`is connected, and handed the confirmation${python.skipReason}`, async () => {
    const running = run(token(USER));
    await running.line("Secure WebSocket connected");
    const confirmed = await running.line("Connection confirmed: ");
    expect(confirmed).toContain("'type': 'connected'");
    expect(confirmed).toContain("'id': 'user123'");
  });

  test.skipIf(python.path === null)(`sees by the close code that it is refused${python.skipReason}`, async () => {
    await run("garbage").line("Authentication failed");
    await run(token({ sub: "user456" })).line("Access denied");
  });
});

describe("the other two endpoints", () => {
  test("a connection of a conversation receives it, without asking", async () => {
    const url = `ws://${host()}/ws/conversation/user123/42?token=${token(USER)}`;
    const visitor = page({ url });
    visitor.enter("const ws = new WebSocket(url)");
    const { topics } = await visitor.frame("connected");
    expect(topics).toContainEqual(expect.objectContaining({ topic: "conversation:42" }));
    await publish("conversation:42", "token", { messageId: "a2", index: 0, text: "Hi" });
    expect(await visitor.frame("token")).toMatchObject({ topic: "conversation:42", data: { text: "Hi" } });
  });

  test("who is typing in a conversation is shown to the others", async () => {
    const [ada, bob] = ["user123", "user456"].map((sub) => {
      const jwt = token({ ...USER, sub });
      const visitor = page({ url: `ws://${host()}/ws/conversation/${sub}/42?token=${jwt}` });
      visitor.enter("const ws = new WebSocket(url)");
      return visitor;
    });
    if (ada === undefined || bob === undefined) throw new Error("two pages");
    await Promise.all([ada.frame("connected"), bob.frame("connected")]);
    ada.enter("ws.send(JSON.stringify({ type: 'typing', topic: 'conversation:42', isTyping: true }))");
    expect(await bob.frame("typing")).toMatchObject({ topic: "conversation:42", userId: "user123", isTyping: true });
  });

  test("a conversation of others is closed 4003", async () => {
    const visitor = page({ url: `ws://${host()}/ws/conversation/user123/43?token=${token(USER)}` });
    visitor.enter("const ws = new WebSocket(url)");
    expect(await visitor.until("the close", () => visitor.closes[0])).toBe(4003);
  });

  test("a connection for the wallet receives its balance, its transactions and events of contracts", async () => {
    const visitor = page({ url: `ws://${host()}/api/v1/web3/ws/user123?token=${token(USER)}` });
    visitor.enter("const ws = new WebSocket(url)");
    expect(await visitor.frame("connected")).toMatchObject({ endpoint: "/api/v1/web3/ws/{user_id}" });
    for (const event of ["balance_update", "transaction", "contract_event"]) {
      await publish("wallet:user123", event, { value: "1" });
      expect(await visitor.frame(event)).toMatchObject({ topic: "wallet:user123", data: { value: "1" } });
    }
  });

  test("without the permission for wallets it is closed 4003", async () => {
    const jwt = token({ ...USER, role: "moderator" });
    const visitor = page({ url: `ws://${host()}/api/v1/web3/ws/user123?token=${jwt}` });
    visitor.enter("const ws = new WebSocket(url)");
    expect(await visitor.until("the close", () => visitor.closes[0])).toBe(4003);
  });
});

describe("the statistics", () => {
  oneNode("numbers")("have the fields of the document with their types, and none more", async () => {
    const own = await TestNode.start();
    const jwt = token(USER);
    const paths = ["/ws/user123", "/ws/user123", "/ws/conversation/user123/42", "/api/v1/web3/ws/user123"];
    for (const path of paths) await (await own.upgraded({ path: `${path}?token=${jwt}` })).jsonOfType("connected");
    const response = await own.http("/ws/stats", {
      headers: { Authorization: `Bearer ${token({ sub: "m", role: "moderator" })}` },
    });
    const body: unknown = await response.json();
    await own.stop();
    const asShown = { ...Object(body), timestamp: STATS.timestamp };
    expect([...differences(STATS, asShown), ...differences(asShown, STATS)]).toEqual([]);
    const counted = {
      active_connections: 4,
      unique_users: 1,
      connection_types: { general: 2, conversation: 1, web3: 1 },
    };
    expect(body).toMatchObject({
      stats: {
        websocket_manager: counted,
        authentication: { ...counted, max_connections_per_user: 10 },
        security: { authenticated_connections: 4, unique_authenticated_users: 1, max_connections_per_user: 10 },
      },
    });
    expect(Math.abs(Number(Object(body).timestamp) * 1_000 - Date.now())).toBeLessThan(60_000);
  });
});

describe("the configuration of the document", () => {
  test("is the default: ten connections per user, and who has which permission", () => {
    expect(loadConfig({}, () => "").config.maxConnectionsPerUser).toBe(10);
    const access = compileAccess(DEFAULT_ACCESS);
    const required = {
      "conversation.read": ["user", "admin", "moderator"],
      "wallet.read": ["user", "admin"],
      "system.monitor": ["admin", "moderator"],
    };
    for (const [permission, roles] of Object.entries(required)) {
      for (const role of ["user", "admin", "moderator", "guest"]) {
        const isHeld = access.hasPermission(principal({ roles: [role] }), permission);
        expect([permission, role, isHeld]).toEqual([permission, role, roles.includes(role)]);
      }
    }
  });
});
