import { describe, expect, test } from "bun:test";
import { errorResponse, toProtocolError } from "../../src/api/errors.ts";
import { ERROR_CODES, ProtocolError } from "../../src/protocol/codes.ts";
import { NOW_MS, Rig } from "./ports.ts";

const ADA = { username: "ada", password: "correct horse battery" };

describe("the HTTP API", () => {
  test.each([
    "/nothing",
    "/health/",
    "//health",
    "/HEALTH",
    "/.env",
    "/.git/HEAD",
    "/admin",
    "/debug",
    "/ws/",
    "/ws%2f..%2fmetrics",
    "/ws%00",
    "/ws%",
    "/%ff",
  ])("the unknown path %s is 404 with a JSON body", async (path) => {
    using rig = await Rig.open();
    const response = await rig.fetch(path);
    expect(response.status).toBe(404);
    expect(await response.json()).toEqual({
      type: "error",
      code: "NOT_FOUND",
      message: "Not found",
      timestamp: NOW_MS,
    });
    expect(rig.failures).toEqual([]);
  });

  test.each([
    ["GET", "/api/login", "POST"],
    ["PUT", "/api/register", "POST"],
    ["DELETE", "/health", "GET, HEAD"],
    ["POST", "/metrics", "GET, HEAD"],
    ["POST", "/", "GET, HEAD"],
    ["POST", "/ws", "GET, HEAD"],
  ])("%s %s is 405 and names %s", async (method, path, allow) => {
    using rig = await Rig.open();
    const response = await rig.fetch(path, { method });
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe(allow);
    expect(await response.json()).toMatchObject({ code: "METHOD_NOT_ALLOWED" });
  });

  test("a plain GET of an endpoint is 426 and says which protocol it wants", async () => {
    using rig = await Rig.open();
    const response = await rig.fetch("/ws?token=canary");
    expect(response.status).toBe(426);
    expect(response.headers.get("upgrade")).toBe("websocket");
    expect(response.headers.get("sec-websocket-version")).toBe("13");
    const body = await response.text();
    expect(JSON.parse(body)).toMatchObject({ code: "UPGRADE_REQUIRED" });
    expect(body).not.toContain("canary");
  });

  test("the root is a page, also for HEAD", async () => {
    using rig = await Rig.open();
    const page = await rig.fetch("/");
    expect(page.status).toBe(200);
    expect(page.headers.get("content-type")).toStartWith("text/plain");
    expect(await page.text()).toContain("Tautline");
    const head = await rig.fetch("/", { method: "HEAD" });
    expect([head.status, await head.text()]).toEqual([200, ""]);
  });

  test("every answer forbids sniffing and caching and names no software", async () => {
    using rig = await Rig.open();
    for (const path of ["/", "/health", "/ready", "/metrics", "/ws", "/nothing", "/api/login"]) {
      const { headers } = await rig.fetch(path);
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      expect(headers.get("cache-control")).toBe("no-store");
      expect([headers.has("server"), headers.has("x-powered-by")]).toEqual([false, false]);
    }
  });

  test("CORS answers the listed origins and no others, also on errors", async () => {
    using rig = await Rig.open();
    for (const path of ["/api/login", "/nothing", "/health"]) {
      const listed = await rig.fetch(path, { headers: { Origin: "https://app.example" } });
      expect(listed.headers.get("access-control-allow-origin")).toBe("https://app.example");
      expect(listed.headers.get("vary")).toContain("Origin");
      for (const origin of ["https://evil.example", "null", "https://app.example.evil.example", "*"]) {
        const other = await rig.fetch(path, { headers: { Origin: origin } });
        expect(other.headers.has("access-control-allow-origin")).toBe(false);
        expect(other.headers.has("access-control-allow-credentials")).toBe(false);
      }
    }
  });

  test("a preflight of a listed origin may send JSON, another origin's is not answered", async () => {
    using rig = await Rig.open();
    const preflight = (origin: string): Promise<Response> =>
      rig.fetch("/api/login", {
        method: "OPTIONS",
        headers: {
          Origin: origin,
          "Access-Control-Request-Method": "POST",
          "Access-Control-Request-Headers": "content-type",
        },
      });
    const listed = await preflight("https://app.example");
    expect(listed.status).toBe(204);
    expect(listed.headers.get("access-control-allow-origin")).toBe("https://app.example");
    expect(listed.headers.get("access-control-allow-methods")).toContain("POST");
    expect(listed.headers.get("access-control-allow-headers")).toContain("Content-Type");
    expect((await preflight("https://evil.example")).headers.has("access-control-allow-origin")).toBe(false);
  });

  test("without listed origins nothing is allowed across origins", async () => {
    using rig = await Rig.open(() => ({ allowedOrigins: [] }));
    const response = await rig.fetch("/health", { headers: { Origin: "https://app.example" } });
    expect(response.headers.has("access-control-allow-origin")).toBe(false);
  });

  test.each([
    ["an Error", new Error("canary: /var/lib/secret.sql")],
    ["text", "canary"],
    ["nothing", undefined],
  ])("a part that throws %s is 500 with an id that is in the log, and nothing else of it", async (_what, thrown) => {
    using rig = await Rig.open(() => ({
      readiness() {
        throw thrown;
      },
    }));
    const response = await rig.fetch("/ready");
    expect(response.status).toBe(500);
    const text = await response.text();
    expect(text).not.toContain("canary");
    const [failure] = rig.failures;
    expect(rig.failures).toHaveLength(1);
    expect(failure?.error).toBe(thrown);
    expect(JSON.parse(text)).toEqual({
      type: "error",
      code: "INTERNAL",
      message: "Internal error",
      timestamp: NOW_MS,
      correlationId: failure?.correlationId ?? "",
      retryAfterMs: 1_000,
    });
  });

  test("a store that fails is 500 without a word of SQL, and the API goes on", async () => {
    using rig = await Rig.open((store) => ({
      accounts: { store, canRegister: true, issueToken: () => Promise.reject(new Error("no such table: canary")) },
    }));
    const response = await rig.post("/api/register", ADA);
    expect(response.status).toBe(500);
    expect(await response.text()).not.toMatch(/canary|table|at .*\.ts/);
    expect(rig.failures).toHaveLength(1);
    expect(rig.audited.map((event) => event.code)).toEqual(["INTERNAL"]);
    expect((await rig.fetch("/health")).status).toBe(200);
  });

  test("through Bun.serve the same answers come over a socket", async () => {
    using rig = await Rig.open();
    using server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      development: false,
      fetch: (request) => rig.api.fetch(request, { address: "127.0.0.1", holdOpen() {}, letGo() {} }),
    });
    const post = (path: string): Promise<Response> =>
      fetch(new URL(path, server.url), {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(ADA),
      });
    expect((await post("/api/register")).status).toBe(201);
    const login = await post("/api/login");
    expect([login.status, login.headers.get("cache-control")]).toEqual([200, "no-store"]);
    expect(await login.json()).toEqual({ token: expect.any(String), expires_in: 3_600 });
    const upgrade = await fetch(new URL("/ws", server.url));
    expect([upgrade.status, upgrade.headers.get("upgrade")]).toEqual([426, "websocket"]);
    const head = await fetch(new URL("/health", server.url), { method: "HEAD" });
    expect([head.status, head.headers.has("server")]).toEqual([200, false]);
  });
});

describe("errorResponse", () => {
  test("rounds the wait up to seconds, where a retry helps later", () => {
    const limited = errorResponse(new ProtocolError("RATE_LIMITED", { retryAfterMs: 1_001 }), 5);
    expect([limited.status, limited.headers["Retry-After"]]).toEqual([429, "2"]);
    expect(JSON.parse(limited.body)).toMatchObject({ timestamp: 5, retryAfterMs: 1_001 });
    const draining = errorResponse(new ProtocolError("DRAINING"), 5);
    expect([draining.status, draining.headers["Retry-After"]]).toEqual([503, "1"]);
    expect(errorResponse(new ProtocolError("FORBIDDEN"), 5).headers["Retry-After"]).toBeUndefined();
  });

  test("of every 429 and 503 has the delay in the body and in the header, in whole seconds", () => {
    for (const code of ERROR_CODES) {
      const { status, headers, body } = errorResponse(new ProtocolError(code), 5);
      const { retryAfterMs } = JSON.parse(body);
      if (status === 429 || status === 503) expect([code, retryAfterMs > 0]).toEqual([code, true]);
      const seconds = retryAfterMs === undefined ? undefined : String(Math.ceil(retryAfterMs / 1_000));
      expect([code, headers["Retry-After"]]).toEqual([code, seconds]);
    }
    const soon = errorResponse(new ProtocolError("RATE_LIMITED", { retryAfterMs: 1 }), 5);
    expect(soon.headers["Retry-After"]).toBe("1");
  });

  test("is 500 for a code that answers no HTTP request", () => {
    expect(errorResponse(new ProtocolError("UNKNOWN_TYPE"), 5).status).toBe(500);
  });

  test("leaves our errors as they are and logs none of them", () => {
    const error = new ProtocolError("CONFLICT", {}, new Error("canary"));
    expect(toProtocolError(error, () => expect.unreachable())).toBe(error);
    expect(errorResponse(error, 5).body).not.toContain("canary");
  });
});
