import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { UpgradeRequest } from "../support/http.ts";
import { TestNode, token } from "../support/node.ts";
import type { HttpResponse, RawPeer } from "../support/peer.ts";

/** Where the token of a handshake may be. */

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
