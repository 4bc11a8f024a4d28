import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { TestNode, token } from "../support/node.ts";
import { differences } from "./shown.ts";

/** A client that logs in over HTTP and brings its token in the query: 401 and no upgrade unless the token is good. */

const CREDENTIALS = `{
  "username": "user123",
  "password": "secret_password"
}`;
const CLAIMS = { sub: "user_uuid_123", username: "user123", iat: 1698393000, exp: 1698396600 };
const JWT_HEADER = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";

let node: TestNode;

beforeAll(async () => {
  node = await TestNode.start({ ACCOUNTS: "on" });
  const { status } = await post("/api/register", CREDENTIALS);
  expect(status).toBe(201);
});

afterAll(async () => {
  await node.stop();
});

function post(path: string, body: string): Promise<Response> {
  return fetch(node.url + path, { method: "POST", headers: { "Content-Type": "application/json" }, body });
}

async function login(): Promise<{ token: string; expires_in: number }> {
  const response = await post("/api/login", CREDENTIALS);
  return JSON.parse(await response.text());
}

function partsOf(jwt: string): { header: string; claims: Record<string, unknown> } {
  const [header = "", payload = ""] = jwt.split(".");
  return { header, claims: JSON.parse(Buffer.from(payload, "base64url").toString()) };
}

function address(jwt: string): string {
  return `ws://127.0.0.1:${node.port}/ws?token=${jwt}`;
}

/** What a WebSocket library sees: the first frame, or the close. */
function connect(url: string): Promise<{ frame: Record<string, unknown> } | { closed: number; wasOpen: boolean }> {
  return new Promise((resolve) => {
    const socket = new WebSocket(url);
    let wasOpen = false;
    socket.addEventListener("open", () => (wasOpen = true));
    socket.addEventListener("message", ({ data }) => {
      resolve({ frame: JSON.parse(String(data)) });
      socket.close();
    });
    socket.addEventListener("close", ({ code }) => resolve({ closed: code, wasOpen }));
  });
}

describe("login", () => {
  test("answers a token and its lifetime in seconds, and nothing else", async () => {
    const response = await post("/api/login", CREDENTIALS);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toStartWith("application/json");
    expect(await response.json()).toEqual({ token: expect.any(String), expires_in: 3600 });
  });

  test("issues a JWT with the shown header and every shown claim", async () => {
    const { header, claims } = partsOf((await login()).token);
    expect(header).toBe(JWT_HEADER);
    expect(differences(CLAIMS, claims)).toEqual([]);
    expect(claims["username"]).toBe("user123");
    expect(Number(claims["exp"]) - Number(claims["iat"])).toBe(3600);
  });

  test("answers 401 to a wrong password and to an unknown name alike", async () => {
    const wrong = await post("/api/login", CREDENTIALS.replace("secret_password", "another_password"));
    const unknown = await post("/api/login", CREDENTIALS.replace("user123", "user124"));
    expect([wrong.status, unknown.status]).toEqual([401, 401]);
    const bodies = [await wrong.text(), await unknown.text()].map((body) => ({ ...JSON.parse(body), timestamp: 0 }));
    expect(bodies[0]).toEqual(bodies[1]);
  });
});

describe("the connection", () => {
  test("opens with the token of a login, as the user that logged in", async () => {
    const jwt = (await login()).token;
    expect(await connect(address(jwt))).toMatchObject({
      frame: { type: "connected", user: { id: partsOf(jwt).claims["sub"], username: "user123" } },
    });
  });

  test("opens with a token that has the shown claims alone", async () => {
    const nowS = Math.floor(Date.now() / 1_000);
    const jwt = token({ ...CLAIMS, iat: nowS, exp: nowS + 3_600 });
    expect(await connect(address(jwt))).toMatchObject({
      frame: { type: "connected", user: { id: "user_uuid_123", username: "user123" } },
    });
  });

  const refused: readonly [what: string, query: () => string, code: string][] = [
    ["there is no token", () => "", "AUTH_REQUIRED"],
    ["the token is empty", () => "?token=", "AUTH_FAILED"],
    ["the token is none", () => "?token=garbage", "AUTH_FAILED"],
    ["another secret signed it", () => `?token=${token({}, "Zt5uX8qL2vN7wJ4kP9sD1fG6hR3mB0yC")}`, "AUTH_FAILED"],
    ["its claims were changed", () => `?token=${forged(token())}`, "AUTH_FAILED"],
    ["it is signed with nothing", () => `?token=${unsigned()}`, "AUTH_FAILED"],
    ["it has expired", () => `?token=${token(CLAIMS)}`, "TOKEN_EXPIRED"],
  ];

  test.each(refused)("is refused with 401 and no upgrade when %s", async (_what, query, code) => {
    const peer = await node.peer();
    const response = await peer.upgrade({ path: `/ws${query()}` });
    expect(response.status).toBe(401);
    expect(JSON.parse(response.body)).toMatchObject({ type: "error", code });
    await peer.ended();
  });

  test("never opens for a WebSocket library whose token is bad", async () => {
    expect(await connect(address("garbage"))).toMatchObject({ wasOpen: false });
  });
});

function forged(jwt: string): string {
  const [header = "", , signature = ""] = jwt.split(".");
  const claims = Buffer.from(JSON.stringify({ ...partsOf(jwt).claims, sub: "admin" })).toString("base64url");
  return `${header}.${claims}.${signature}`;
}

function unsigned(): string {
  const [, payload = ""] = token().split(".");
  return `${Buffer.from('{"alg":"none","typ":"JWT"}').toString("base64url")}.${payload}.`;
}
