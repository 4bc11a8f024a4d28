import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { upgradeRequest } from "../support/http.ts";
import { TestNode, token } from "../support/node.ts";
import { IS_UWS } from "../support/second-engine.ts";

/** Parameters in the path of an upgrade: decoded once, compared with the token, repeated where the endpoint repeats them. */

let node: TestNode;

beforeAll(async () => {
  node = await TestNode.start({ MAX_CONNECTIONS_PER_USER: "1000", HANDSHAKE_BURST: "100000" });
});

afterAll(() => node.stop());

/** 101 with the greeting's endpoint, 101 with the close code, or the status with the code of the error. */
async function answerTo(path: string, sub: string | number): Promise<readonly unknown[]> {
  const peer = await node.peer();
  const response = await peer.upgrade({ path, headers: [["Authorization", `Bearer ${token({ sub })}`]] });
  if (response.status !== 101) return [response.status, JSON.parse(response.body).code];
  const endpoint = peer.json().then(({ type, endpoint: name }) => [101, type, name]);
  return Promise.race([endpoint, peer.closed().then(({ code, reason }) => [101, code, reason])]);
}

const OK = [101, "connected", "/ws/{user_id}"];
const FORBIDDEN = [101, 4003, "FORBIDDEN"];
const BAD = [400, "BAD_REQUEST"];
const NOT_FOUND = [404, "NOT_FOUND"];

describe("the user's id in the path", () => {
  test.each([
    ["/ws/ada", "ada", OK],
    ["/ws/%61%64%61", "ada", OK],
    ["/ws/Ada", "ada", FORBIDDEN],
    ["/ws/7", 7, OK],
    ["/ws/07", 7, FORBIDDEN],
    ["/ws/7.0", 7, FORBIDDEN],
    ["/ws/stats", "stats", OK],
    ["/ws/conversation", "conversation", OK],
    ["/ws/a+b", "a+b", OK],
    ["/ws/a%2Bb", "a+b", OK],
    ["/ws/a%2Fb", "a/b", OK],
    ["/ws/a%2fb", "a/b", OK],
    ["/ws/a/b", "a/b", NOT_FOUND],
    ["/ws/a%2F..%2Fb", "a/../b", OK],
    ["/ws/%2561", "%61", OK],
    ["/ws/%2561", "a", FORBIDDEN],
    ["/ws/%252561", "%2561", OK],
    ["/ws/constructor", "constructor", OK],
    ["/ws/constructor", "ada", FORBIDDEN],
    ["/ws/__proto__", "__proto__", OK],
    ["/ws/__proto__", "ada", FORBIDDEN],
    ["/ws/hasOwnProperty", "ada", FORBIDDEN],
  ])("%s with the token of %p is decoded once and compared as text", async (path, sub, expected) => {
    expect(await answerTo(path, sub)).toEqual(expected);
  });

  test.each([
    ...["/ws/%", "/ws/ada%", "/ws/%zz", "/ws/%ff", "/ws/%c0%af", "/ws/%00", "/ws/ada%00", "/ws/a%20b", "/ws/%0d%0a"],
    ...["/ws/%E2%80%AEada", `/ws/${"a".repeat(129)}`, "/ws/conversation/%zz/42", "/ws/conversation/ada/%zz"],
    ...["/ws/conversation/ada/%2A", "/api/v1/web3/ws/%zz", "/api/ws/%zz", "/api/ws/%07"],
  ])("or another parameter that is malformed (%s) is 400 before the token is looked at", async (path) => {
    expect(await answerTo(path, "ada")).toEqual(BAD);
    const { status } = await (await node.peer()).upgrade({ path });
    expect(status).toBe(400);
  });

  test.each(["/ws/", "/ws/ada/", "//ws/ada", "/ws//ada", "/WS/ada", "/ws%2Fada", "/ws/conversation/ada/", "/api/ws/"])(
    "does not count in a path that is no endpoint: %s",
    async (path) => {
      expect(await answerTo(path, "ada")).toEqual(NOT_FOUND);
    },
  );

  test("in an absolute target counts as well, and dots lead to nothing but what they name", async () => {
    const request = upgradeRequest({
      path: "http://localhost/ws/ada",
      headers: [["Authorization", `Bearer ${token({ sub: "ada" })}`]],
    });
    const absolute = await (await node.peer()).request(request);
    expect(IS_UWS ? [505] : [101, 400]).toContain(absolute.status);
    expect(await answerTo("/ws/x/../ada", "ada")).toEqual(OK);
    expect((await answerTo("/ws/../metrics", "metrics"))[0]).toBe(404);
  });
});

describe("a plain request", () => {
  test.each(["/ws/42", "/ws/conversation/42/7", "/api/v1/web3/ws/42", "/api/ws", "/realtime"])(
    "of %s is 426 and says what to upgrade to",
    async (path) => {
      const response = await node.http(path);
      expect([response.status, response.headers.get("upgrade")]).toEqual([426, "websocket"]);
      expect(await response.json()).toMatchObject({ code: "UPGRADE_REQUIRED" });
      expect((await node.http(path, { method: "POST" })).status).toBe(405);
    },
  );
});

describe("what a client of /api/ws calls itself", () => {
  test.each([
    ["/api/ws?session_id=s%2F1&character_id=Sir%20Bob", { sessionId: "s/1", characterId: "Sir Bob" }],
    ["/api/ws?session_id=%2561", { sessionId: "%61" }],
    ["/api/ws/Sir%20Bob", { characterId: "Sir Bob" }],
    ["/api/ws/7?character_id=8&session_id=s", { sessionId: "s", characterId: "8" }],
    ["/api/ws/someone-else", { characterId: "someone-else" }],
    ["/api/ws", {}],
    ["/ws?session_id=s&character_id=c", {}],
  ])("comes back in every greeting and grants nothing: %s", async (path, expected) => {
    const jwt = token({ sub: "ada" });
    const peer = await node.upgraded({ path, headers: [["Authorization", `Bearer ${jwt}`]] });
    const echoed = ({ sessionId, characterId, user }: Record<string, unknown>): unknown => ({
      ...(sessionId !== undefined && { sessionId }),
      ...(characterId !== undefined && { characterId }),
      user,
    });
    const user: unknown = expect.objectContaining({ id: "ada" });
    expect(echoed(await peer.json())).toEqual({ ...expected, user });
    peer.send({ type: "auth", token: jwt });
    expect(echoed(await peer.jsonOfType("auth_success"))).toEqual({ ...expected, user });
  });

  test.each([
    ...["/api/ws?session_id=a&session_id=a", "/api/ws?character_id=a&character_id=b", "/api/ws?session_id=%0a"],
    ...[`/api/ws?session_id=${"s".repeat(129)}`, "/api/ws?character_id=%C3%A9"],
  ])("is 400 when it is doubled or malformed: %s", async (path) => {
    expect(await answerTo(path, "ada")).toEqual(BAD);
  });
});
