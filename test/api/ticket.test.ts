import { describe, expect, test } from "bun:test";
import { claims, NOW_S, signed } from "../auth/tokens.ts";
import { Rig } from "./ports.ts";

const APP = "https://app.example";
const PATH = "/api/ws/ticket";

const bearer = (fields: Record<string, unknown> = {}) => ({ Authorization: `Bearer ${signed(claims(fields))}` });
const cookie = (fields: Record<string, unknown> = {}) => ({ Cookie: `access_token=${signed(claims(fields))}` });

function ask(rig: Rig, headers: Record<string, string>): Promise<Response> {
  return rig.fetch(PATH, { method: "POST", headers });
}

describe("POST /api/ws/ticket", () => {
  test("gives the holder of a token a ticket for 30 seconds, which no cache may keep", async () => {
    using rig = await Rig.open();
    const response = await ask(rig, bearer());
    expect(response.status).toBe(201);
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(await response.json()).toEqual({ ticket: expect.stringMatching(/^[\w-]{43}$/), expires_in: 30 });
  });

  test("says how long the ticket of a token lives that ends sooner", async () => {
    using rig = await Rig.open();
    expect(await (await ask(rig, bearer({ exp: NOW_S + 12 }))).json()).toMatchObject({ expires_in: 12 });
    const late = await ask(rig, bearer({ exp: NOW_S - 2 }));
    expect([late.status, await late.json()]).toMatchObject([401, { code: "TOKEN_EXPIRED" }]);
  });

  test("takes a cookie with an Origin that is allowed, or the node's own", async () => {
    using rig = await Rig.open();
    expect((await ask(rig, { ...cookie(), Origin: APP })).status).toBe(201);
    expect((await ask(rig, { ...cookie(), Origin: "http://localhost", Host: "localhost" })).status).toBe(201);
  });

  test.each<[string, Record<string, string>]>([
    ["another site", { Origin: "https://evil.example" }],
    ["another site, as a form or plain text", { Origin: "https://evil.example", "Content-Type": "text/plain" }],
    ["another site, as JSON", { Origin: "https://evil.example", "Content-Type": "application/json" }],
    ["nobody knows where", {}],
    ["nobody knows where, as plain text", { "Content-Type": "text/plain" }],
    ["a page in a sandbox", { Origin: "null" }],
    ["a subdomain of what is allowed", { Origin: "https://x.app.example" }],
  ])("refuses a cookie from %s", async (_where, headers) => {
    using rig = await Rig.open();
    const response = await ask(rig, { ...cookie(), ...headers });
    expect([response.status, await response.json()]).toMatchObject([403, { code: "ORIGIN_FORBIDDEN" }]);
    expect(response.headers.get("access-control-allow-origin")).toBeNull();
  });

  test("takes a token in the header from a program, which sends no Origin, and not from another site", async () => {
    using rig = await Rig.open();
    expect((await ask(rig, { ...bearer(), Origin: "https://evil.example" })).status).toBe(403);
    expect((await ask(rig, bearer())).status).toBe(201);
  });

  test.each<[string, Record<string, string>, number, string]>([
    ["no token", {}, 401, "AUTH_REQUIRED"],
    ["a token that is none", { Authorization: "Bearer a.b.c" }, 401, "AUTH_FAILED"],
    ["another scheme", { Authorization: "Basic YTpi" }, 400, "BAD_REQUEST"],
    ["an inactive user", bearer({ isActive: false }), 403, "FORBIDDEN"],
  ])("answers %s with what is wrong", async (_what, headers, status, code) => {
    using rig = await Rig.open();
    const response = await ask(rig, headers);
    expect([response.status, await response.json()]).toMatchObject([status, { code }]);
  });

  test("takes no token from the query, and no ticket for another one", async () => {
    using rig = await Rig.open();
    const { ticket } = (await (await ask(rig, bearer())).json()) as { ticket: string };
    for (const query of [`?token=${signed(claims())}`, `?ticket=${ticket}`]) {
      expect((await rig.fetch(PATH + query, { method: "POST" })).status).toBe(401);
    }
  });

  test("refuses the 21st open ticket of a user until the first has ended, and no other user", async () => {
    using rig = await Rig.open();
    for (let n = 0; n < 20; n += 1) {
      expect((await ask(rig, bearer())).status).toBe(201);
      rig.clock.advance(100);
    }
    const refused = await ask(rig, bearer());
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "28"]);
    expect(await refused.json()).toMatchObject({ code: "RATE_LIMITED", retryAfterMs: 28_000 });
    expect((await ask(rig, bearer({ sub: "bob" }))).status).toBe(201);
    rig.clock.advance(28_000);
    expect((await ask(rig, bearer())).status).toBe(201);
  });

  test("takes no other method, but that a GET could be an upgrade of the deprecated endpoint", async () => {
    using rig = await Rig.open();
    expect((await rig.fetch(PATH)).status).toBe(426);
    const response = await rig.fetch(PATH, { method: "PUT" });
    expect([response.status, response.headers.get("allow")]).toEqual([405, "GET, HEAD, POST"]);
  });
});
