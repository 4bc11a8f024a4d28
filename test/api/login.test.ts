import { describe, expect, test } from "bun:test";
import { jwtVerify } from "jose";
import * as v from "valibot";
import { Addresses } from "../../src/hub/address.ts";
import { issueToken, NOW_MS, Rig, SECRET } from "./ports.ts";

const ADA = { username: "ada", password: "correct horse battery" };

const ErrorBody = v.object({ type: v.literal("error"), code: v.string() });
const TokenBody = v.strictObject({ token: v.string(), expires_in: v.literal(3_600) });

async function codeOf(response: Response): Promise<string> {
  return v.parse(ErrorBody, await response.json()).code;
}

async function claimsOf(response: Response): Promise<unknown> {
  const { token } = v.parse(TokenBody, await response.json());
  return (await jwtVerify(token, SECRET)).payload;
}

describe("POST /api/register and POST /api/login", () => {
  test("a registration and a login answer a token of the account, which no cache keeps", async () => {
    using rig = await Rig.open();
    for (const [path, status] of [
      ["/api/register", 201],
      ["/api/login", 200],
    ] as const) {
      const response = await rig.post(path, ADA);
      expect(response.status).toBe(status);
      expect(response.headers.get("cache-control")).toBe("no-store");
      expect(response.headers.get("content-type")).toStartWith("application/json");
      const sub = rig.store.findByName("ada")?.id;
      expect(await claimsOf(response)).toMatchObject({ sub, username: "ada", role: "user" });
    }
  });

  test("a role in the body grants nothing", async () => {
    using rig = await Rig.open();
    expect((await rig.post("/api/register", { ...ADA, role: "admin" })).status).toBe(201);
    expect(rig.store.findByName("ada")?.role).toBe("user");
  });

  test("an unknown name and a wrong password get the same answer", async () => {
    using rig = await Rig.open();
    await rig.post("/api/register", ADA);
    const answers = [];
    for (const username of ["ada", "nobody"]) {
      const response = await rig.post("/api/login", { username, password: "another password" });
      answers.push({ status: response.status, headers: [...response.headers], body: await response.text() });
    }
    expect(answers[1]).toEqual(answers[0]);
    expect(answers[0]?.status).toBe(401);
    expect(JSON.parse(answers[0]?.body ?? "")).toEqual({
      type: "error",
      code: "AUTH_FAILED",
      message: "Invalid authentication token",
      timestamp: NOW_MS,
    });
    expect(new Headers(answers[0]?.headers).get("cache-control")).toBe("no-store");
    expect(new Headers(answers[0]?.headers).get("www-authenticate")).toBe("Bearer");
  });

  test("of two registrations of one name at once one is 201 and one is 409", async () => {
    using rig = await Rig.open();
    const responses = await Promise.all([
      rig.post("/api/register", ADA),
      rig.post("/api/register", { ...ADA, username: "ADA" }),
    ]);
    expect(responses.map((response) => response.status).toSorted((a, b) => a - b)).toEqual([201, 409]);
    const refused = responses.find((response) => response.status === 409);
    expect(await refused?.json()).toMatchObject({ type: "error", code: "CONFLICT" });
  });

  test.each([
    ["no JSON", "{"],
    ["nothing", ""],
    ["a list", "[]"],
    ["null", "null"],
    ["no password", '{"username":"ada"}'],
    ["a number for a name", '{"username":1,"password":"correct horse"}'],
    ["an empty name", '{"username":"","password":"correct horse"}'],
    ["a name over its bound", JSON.stringify({ username: "a".repeat(65), password: "correct horse" })],
    ["a password over its bound", JSON.stringify({ username: "ada", password: "é".repeat(513) })],
    ["deep nesting", "[".repeat(30_000)],
    ["bytes that are no UTF-8", new Uint8Array([0x22, 0xff, 0x22])],
  ])("a body of %s is 400", async (_what, body) => {
    using rig = await Rig.open();
    for (const path of ["/api/login", "/api/register"]) {
      const headers = { "Content-Type": "application/json" };
      const response = await rig.fetch(path, { method: "POST", headers, body });
      expect(response.status).toBe(400);
      expect(response.headers.get("cache-control")).toBe("no-store");
      expect(await codeOf(response)).toBe("BAD_REQUEST");
    }
    expect(rig.failures).toEqual([]);
  });

  test("a name or password that cannot be an account's is 400 to register and 401 to log in", async () => {
    using rig = await Rig.open();
    for (const body of [
      { username: "a b", password: "correct horse" },
      { username: "ada", password: "short" },
    ]) {
      expect(await codeOf(await rig.post("/api/register", body))).toBe("BAD_REQUEST");
      expect(await codeOf(await rig.post("/api/login", body))).toBe("AUTH_FAILED");
    }
  });

  test.each([
    "text/plain",
    "application/x-www-form-urlencoded",
    "application/jsonp",
    "",
    "text/plain; application/json",
  ])("a body of type %j is 415", async (type) => {
    using rig = await Rig.open();
    const body = new Blob([JSON.stringify(ADA)]);
    const response = await rig.fetch("/api/register", { method: "POST", headers: { "Content-Type": type }, body });
    expect(response.status).toBe(415);
    expect(await codeOf(response)).toBe("UNSUPPORTED_MEDIA_TYPE");
    expect(rig.store.findByName("ada")).toBeNull();
  });

  test("a charset beside the type is taken", async () => {
    using rig = await Rig.open();
    const headers = { "Content-Type": "Application/JSON ; charset=utf-8" };
    const response = await rig.fetch("/api/register", { method: "POST", headers, body: JSON.stringify(ADA) });
    expect(response.status).toBe(201);
  });

  test("a body over 64 KiB is 413, whether it says so or only sends it", async () => {
    using rig = await Rig.open();
    const type = { "Content-Type": "application/json" };
    const large = JSON.stringify({ ...ADA, more: "x".repeat(65_536) });
    const declared = { ...type, "Content-Length": String(large.length) };
    const said = await rig.fetch("/api/login", { method: "POST", headers: declared, body: large });
    expect(said.status).toBe(413);
    expect(await said.json()).toMatchObject({ code: "MESSAGE_TOO_LARGE", limit: 65_536, actual: large.length });
    let pulls = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        pulls += 1;
        controller.enqueue(new Uint8Array(16_384));
      },
    });
    const sent = await rig.fetch("/api/login", { method: "POST", headers: type, body: endless });
    expect(sent.status).toBe(413);
    expect(pulls).toBeLessThan(10);
  });

  test("a body that breaks off is 400 and no failure of ours", async () => {
    using rig = await Rig.open();
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.error(new Error("gone"));
      },
    });
    const response = await rig.fetch("/api/login", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body,
    });
    expect(response.status).toBe(400);
    expect(rig.failures).toEqual([]);
  });

  test("the eleventh attempt at one name from one address within a minute is 429, until a token is back", async () => {
    using rig = await Rig.open();
    const wrong = { ...ADA, password: "another password" };
    for (let attempt = 0; attempt < 10; attempt++) {
      const username = attempt % 2 === 0 ? "ada" : "ADA";
      expect((await rig.post("/api/login", { ...wrong, username })).status).toBe(401);
    }
    const refused = await rig.post("/api/login", wrong);
    expect(refused.status).toBe(429);
    expect(refused.headers.get("retry-after")).toBe("6");
    expect(refused.headers.get("cache-control")).toBe("no-store");
    expect(await refused.json()).toMatchObject({ code: "RATE_LIMITED", retryAfterMs: 6_000 });
    expect((await rig.post("/api/login", wrong, "192.0.2.2")).status).toBe(401);
    expect((await rig.post("/api/login", { ...wrong, username: "bob" })).status).toBe(401);
    rig.clock.advance(6_000);
    expect((await rig.post("/api/login", wrong)).status).toBe(401);
    rig.clock.advance(3_000);
    expect((await rig.post("/api/login", wrong)).status).toBe(429);
  });

  test("the sixty-first attempt from one address within a minute is 429, whatever the names", async () => {
    using rig = await Rig.open();
    for (let attempt = 0; attempt < 60; attempt++) {
      const path = attempt % 2 === 0 ? "/api/login" : "/api/register";
      expect((await rig.post(path, { username: `name${attempt}`, password: "short" })).status).not.toBe(429);
    }
    const refused = await rig.post("/api/login", ADA);
    expect(await refused.json()).toMatchObject({ code: "RATE_LIMITED", retryAfterMs: 1_000 });
    expect((await rig.post("/api/register", ADA)).status).toBe(429);
    expect((await rig.post("/api/register", ADA, "192.0.2.2")).status).toBe(201);
    rig.clock.advance(60_000);
    rig.api.sweep();
    expect((await rig.post("/api/login", ADA)).status).toBe(200);
  });

  test("behind a trusted proxy the client's address is what counts", async () => {
    using rig = await Rig.open();
    const login = (client: string): Promise<Response> =>
      rig.fetch(
        "/api/login",
        {
          method: "POST",
          headers: { "Content-Type": "application/json", "X-Forwarded-For": client },
          body: JSON.stringify(ADA),
        },
        "10.0.0.1",
      );
    for (let attempt = 0; attempt < 10; attempt++) expect((await login("2001:db8::1")).status).toBe(401);
    expect((await login("2001:db8::2")).status).toBe(429);
    expect((await login("2001:db8:0:1::1")).status).toBe(401);
    expect(rig.audited.at(-1)).toMatchObject({ address: "2001:db8:0:1::1" });
  });

  test("without an address to count by, only the name is limited", async () => {
    const unnamed = new Addresses({ trustedProxies: [], forwardedHeader: "x-forwarded-for" }, () => {});
    using rig = await Rig.open(() => ({ addresses: unnamed }));
    const login = (body: unknown): Promise<Response> =>
      rig.fetch(
        "/api/login",
        {
          method: "POST",
          headers: { "Content-Type": "application/json", "X-Forwarded-For": "192.0.2.9" },
          body: JSON.stringify(body),
        },
        "10.0.0.1",
      );
    for (let attempt = 0; attempt < 70; attempt++) {
      expect((await login({ username: `name${attempt}`, password: "short" })).status).toBe(401);
    }
    for (let attempt = 0; attempt < 10; attempt++)
      expect((await login({ ...ADA, password: "short" })).status).toBe(401);
    expect((await login(ADA)).status).toBe(429);
  });

  test("with many logins at once some are 503 and the rest are right", async () => {
    using rig = await Rig.open(() => ({}), { maxInFlight: 1, maxWaiting: 1 }); // at the default cost
    await rig.store.register(ADA.username, ADA.password);
    const responses = await Promise.all(Array.from({ length: 8 }, () => rig.post("/api/login", ADA)));
    const answered = responses.filter((response) => response.status === 200);
    const refused = responses.filter((response) => response.status === 503);
    expect(answered.length).toBeGreaterThan(0);
    expect(refused.length).toBeGreaterThan(0);
    expect(answered.length + refused.length).toBe(8);
    for (const response of answered) {
      expect(await claimsOf(response)).toMatchObject({ username: "ada" });
    }
    for (const response of refused) {
      expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
      expect(await response.json()).toMatchObject({ code: "OVERLOADED", retryAfterMs: expect.any(Number) });
    }
  });

  test("without accounts both routes are 404, and without registration only that one", async () => {
    using off = await Rig.open(() => ({ accounts: null }));
    expect(await codeOf(await off.post("/api/login", ADA))).toBe("NOT_FOUND");
    expect(await codeOf(await off.post("/api/register", ADA))).toBe("NOT_FOUND");
    expect((await off.fetch("/api/login")).status).toBe(404);
    using login = await Rig.open((store) => ({ accounts: { store, canRegister: false, issueToken } }));
    await login.store.register(ADA.username, ADA.password);
    expect((await login.post("/api/login", ADA)).status).toBe(200);
    expect(await codeOf(await login.post("/api/register", ADA))).toBe("NOT_FOUND");
    expect((await login.fetch("/api/register")).status).toBe(404);
  });

  test("each attempt is audited once, with the account that was meant and never with what was typed", async () => {
    using rig = await Rig.open();
    await rig.post("/api/register", ADA);
    await rig.post("/api/register", ADA);
    await rig.post("/api/login", ADA);
    await rig.post("/api/login", { ...ADA, password: "canary-password" });
    await rig.post("/api/login", { username: "canary-name", password: "canary-password" });
    const id = rig.store.findByName("ada")?.id ?? "";
    const about = { address: "192.0.2.1", userAgent: null };
    const ok = { result: "ok", code: "OK", ...about } as const;
    const refused = { result: "refused", ...about } as const;
    expect(rig.audited).toEqual([
      { event: "account.registered", ...ok, userId: id },
      { event: "account.registered", ...refused, code: "CONFLICT", userId: null },
      { event: "account.login", ...ok, userId: id },
      { event: "account.login", ...refused, code: "AUTH_FAILED", userId: id },
      { event: "account.login", ...refused, code: "AUTH_FAILED", userId: null },
    ]);
    expect(JSON.stringify(rig.audited)).not.toContain("canary");
  });

  test("an attempt over a limit is audited as that", async () => {
    using rig = await Rig.open();
    for (let attempt = 0; attempt < 11; attempt++) await rig.post("/api/login", ADA);
    expect(rig.audited.map((event) => event.code)).toEqual([...Array(10).fill("AUTH_FAILED"), "RATE_LIMITED"]);
    expect(rig.audited.at(-1)).toMatchObject({ event: "account.login", result: "refused", address: "192.0.2.1" });
  });
});
