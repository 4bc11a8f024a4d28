import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { UpgradeRequest } from "../support/http.ts";
import { TestNode, token } from "../support/node.ts";
import type { HttpResponse, RawPeer } from "../support/peer.ts";

/** Where the token of a handshake may be, which pages may send it, and that it is never seen again. */

const APP = "https://app.example";

let node: TestNode;
let bystander: RawPeer;

beforeEach(async () => {
  node = await TestNode.start({ ALLOWED_ORIGINS: APP });
  bystander = await node.connect("bystander");
});

afterEach(async () => {
  bystander.send({ type: "ping", id: "served" });
  expect(await bystander.jsonOfType("pong", 1_000)).toMatchObject({ id: "served" });
  await node.stop();
});

const bearer = (jwt: string): readonly [string, string] => ["Authorization", `Bearer ${jwt}`];
const cookie = (jwt: string): readonly [string, string] => ["Cookie", `access_token=${jwt}`];
const origin = (value: string): readonly [string, string] => ["Origin", value];

async function answerTo(request: UpgradeRequest): Promise<HttpResponse> {
  const peer = await node.peer();
  return peer.upgrade({ path: "/ws", ...request });
}

function codeOf(response: HttpResponse): unknown {
  return JSON.parse(response.body).code;
}

describe("a token", () => {
  test.each([
    ["in the Authorization header", (jwt: string) => ({ headers: [["authorization", `bearer ${jwt}`]] })],
    ["in the subprotocols", (jwt: string) => ({ headers: [["Sec-WebSocket-Protocol", `auth, ${jwt}`]] })],
    ["in the query", (jwt: string) => ({ path: `/ws?token=${jwt}` })],
    ["in the cookie with an allowed Origin", (jwt: string) => ({ headers: [cookie(jwt), origin(APP)] })],
  ] as readonly (readonly [string, (jwt: string) => UpgradeRequest])[])("counts %s", async (_where, requestWith) => {
    expect((await answerTo(requestWith(token()))).status).toBe(101);
  });

  test.each<[string, (jwt: string) => UpgradeRequest]>([
    ["in query and header", (jwt) => ({ path: `/ws?token=${jwt}`, headers: [bearer(jwt)] })],
    ["in the query twice", (jwt) => ({ path: `/ws?token=${jwt}&token=${jwt}` })],
    ["as ticket and token", (jwt) => ({ path: `/ws?token=${jwt}&ticket=t` })],
    ["as a ticket twice", () => ({ path: "/ws?ticket=t&ticket=t" })],
    ["in header and subprotocol", (jwt) => ({ headers: [bearer(jwt), ["Sec-WebSocket-Protocol", `auth, ${jwt}`]] })],
    ["in two cookies", (jwt) => ({ headers: [["Cookie", `access_token=${jwt}; access_token=${jwt}`], origin(APP)] })],
    ["in the header with an empty one in the query", (jwt) => ({ path: "/ws?token=", headers: [bearer(jwt)] })],
  ])("that comes %s is ambiguous: 400", async (_where, requestWith) => {
    const response = await answerTo(requestWith(token()));
    expect([response.status, codeOf(response)]).toEqual([400, "BAD_REQUEST"]);
  });

  test("that is bad is not rescued by a good cookie", async () => {
    const response = await answerTo({ path: "/ws?token=a.b.c", headers: [cookie(token()), origin(APP)] });
    expect(response.status).toBe(401);
  });

  test("in the query is an unknown parameter where that source is switched off", async () => {
    const other = await TestNode.start({ TOKEN_IN_QUERY: "false" });
    const peer = await other.peer();
    expect((await peer.upgrade({ path: `/ws?token=${token()}` })).status).toBe(401);
    await other.stop();
  });

  test.each(["?Token=", "?x=1;token=", "?%54oken="])("does not count as %s", async (query) => {
    expect((await answerTo({ path: `/ws${query}${token()}` })).status).toBe(401);
  });
});

describe("the subprotocol", () => {
  const answered = async (...lines: string[]): Promise<readonly string[] | number> => {
    const headers = lines.map((line) => ["Sec-WebSocket-Protocol", line] as const);
    const response = await answerTo({ headers });
    return response.status === 101 ? (response.headers.get("sec-websocket-protocol") ?? []) : response.status;
  };

  test("auth is answered once, without the token anywhere in the answer", async () => {
    const jwt = token();
    const response = await answerTo({ headers: [["Sec-WebSocket-Protocol", `auth, ${jwt}`]] });
    expect(response.headers.get("sec-websocket-protocol")).toEqual(["auth"]);
    expect(JSON.stringify([...response.headers])).not.toContain(jwt.slice(-20));
  });

  test("is a framing when one is offered beside the token, in any order and over several lines", async () => {
    expect(await answered(`auth, ${token()}, json`)).toEqual(["json"]);
    expect(await answered("tautline.v1.json", `auth, ${token()}`)).toEqual(["tautline.v1.json"]);
  });

  test("is not answered when only unknown names are offered", async () => {
    const headers = [bearer(token()), ["Sec-WebSocket-Protocol", "chat, superchat"]] as const;
    const response = await answerTo({ headers });
    expect([response.status, response.headers.get("sec-websocket-protocol") ?? []]).toEqual([101, []]);
  });

  test.each([
    ["auth alone", "auth", 400],
    ["auth with nothing behind it", "auth,", 400],
    ["auth twice", "auth, auth, x", 400],
    ["the token in front of auth", `${token()}, auth`, 400],
    ["AUTH in capitals, which is another name", `AUTH, ${token()}`, 401],
    ["two words behind auth", "auth, a b", 401],
  ] as const)("is refused as %s", async (_what, offer, status) => {
    expect(await answered(offer)).toBe(status);
  });
});

test("no token is found in any log, audit record, metric or answer, wherever it came from", async () => {
  const own = await TestNode.start({ LOG_LEVEL: "trace", MAX_CONNECTIONS_PER_USER: "1" });
  const canary = (claims: Record<string, unknown>, secret?: string) => token({ canary: "q7Zk", ...claims }, secret);
  const tokens = [
    canary({ sub: "ada" }),
    canary({ sub: "ada", jti: "2" }),
    canary({ exp: 1_000 }),
    canary({}, "w".repeat(40)),
    canary({ isActive: false }),
  ];
  let answers = "";
  for (const jwt of tokens) {
    const requests: UpgradeRequest[] = [
      { path: `/ws?token=${jwt}` },
      { path: `/ws?token=${jwt}&token=${jwt}` },
      { path: `/ws?Token=${jwt}` },
      { path: `/ws?%74oken=${jwt}` },
      { path: `/ws?x=1;token=${jwt}` },
      { path: `/nowhere?token=${jwt}` },
      { path: `/nowhere/${jwt}` },
      { path: "/ws", headers: [bearer(jwt)] },
      { path: "/ws", headers: [["Sec-WebSocket-Protocol", `auth, ${jwt}`]] },
      { path: "/ws", headers: [cookie(jwt), origin("http://localhost")] },
      { path: "/ws", headers: [["User-Agent", `agent ${jwt}`]] },
    ];
    for (const request of requests) {
      const peer = await own.peer();
      const { headers, body } = await peer.upgrade(request);
      answers += JSON.stringify([...headers]) + body;
    }
    const peer = await own.upgraded({ path: "/" });
    peer.send({ type: "auth", token: jwt });
    answers += JSON.stringify(await peer.json());
  }
  answers += await (await own.http("/metrics")).text();
  const written = (await own.writtenAfterStop()) + answers;
  await own.stop();
  expect(written.length).toBeGreaterThan(10_000);
  for (const jwt of tokens) {
    const [, payload = "", signature = ""] = jwt.split(".");
    expect(written.includes(payload.slice(0, 40)) || written.includes(payload.slice(-40))).toBe(false);
    expect(written.includes(signature.slice(0, 20)) || written.includes(signature.slice(-20))).toBe(false);
  }
});
