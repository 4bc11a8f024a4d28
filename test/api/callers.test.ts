import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import * as v from "valibot";
import type { Caller } from "../../src/api/callers.ts";
import { type Access, NOTHING, route } from "../../src/api/route.ts";
import { API_KEY, APP, jwt, Probe } from "./probe.ts";

/** Who is taken for whom on each kind of route, and who is turned away. */

const who = (caller: Caller): string => (caller.kind === "user" ? caller.principal.id : `(${caller.kind})`);

const routes = (["open", "user", "monitor", "api"] as const).flatMap((access: Access) =>
  (["GET", "POST"] as const).map((method) =>
    route({
      ...{ method, access, path: `/${access}`, summary: "", params: NOTHING, query: v.unknown() },
      body: v.object({}),
      answers: { 200: { what: "who asked", schema: null } },
      async handle({ caller, body }) {
        if (method === "POST") await body();
        return Response.json(who(caller));
      },
    }),
  ),
);

let probe: Probe;
beforeEach(() => {
  probe = new Probe(routes);
});
afterEach(() => expect(probe.failures).toEqual([]));

type Shown = Readonly<Record<string, string>>;

const get = (path: string, headers: Shown) => probe.ask(path, { headers });
const post = (path: string, headers: Shown) =>
  probe.ask(path, { method: "POST", headers: { "Content-Type": "application/json", ...headers }, body: "{}" });

const bearer = (token: string): Shown => ({ Authorization: `Bearer ${token}` });
const cookie = (token: string): Shown => ({ Cookie: `access_token=${token}` });
const key: Shown = { "X-API-Key": API_KEY };
const admin = jwt({ sub: "root", role: "admin" });

describe("is let in as", () => {
  test.each<[string, string, Shown, string]>([
    ["nobody on an open route", "/open", {}, "(nobody)"],
    ["nobody on an open route, whatever is shown", "/open", { ...bearer("x"), ...key }, "(nobody)"],
    ["the user of a token", "/user", bearer(jwt()), "ada"],
    ["the user of a cookie", "/user", cookie(jwt()), "ada"],
    ["the user of a token, whatever cookie is beside it", "/user", { ...bearer(jwt()), ...cookie(admin) }, "ada"],
    ["a user with the permission, on a monitor's route", "/monitor", bearer(admin), "root"],
    ["a user with the permission by cookie, on a monitor's route", "/monitor", cookie(admin), "root"],
    ["the backend by its key, on a monitor's route", "/monitor", key, "(key)"],
    ["the backend by its key as a token, on a monitor's route", "/monitor", bearer(API_KEY), "(key)"],
    ["the backend by its key", "/api", key, "(key)"],
    ["the backend by its key as a token", "/api", bearer(API_KEY), "(key)"],
    ["a user with the permission, on the backend's route", "/api", bearer(admin), "root"],
    ["a user with the permission in the key's header", "/api", { "X-API-Key": admin }, "root"],
  ])("%s", async (_who, path, headers, expected) => {
    expect(await get(path, headers)).toEqual([200, expected]);
    expect(probe.audited.filter(({ result }) => result === "refused")).toEqual([]);
  });
});

describe("is turned away:", () => {
  test.each<[string, string, Shown, number, string]>([
    ["nobody, from a user's route", "/user", {}, 401, "AUTH_REQUIRED"],
    ["nobody, from a monitor's route", "/monitor", {}, 401, "AUTH_REQUIRED"],
    ["nobody, from the backend's route", "/api", {}, 401, "AUTH_REQUIRED"],
    ["the key, from a user's route: it is no user", "/user", bearer(API_KEY), 401, "AUTH_FAILED"],
    ["the key in its own header, from a user's route", "/user", key, 401, "AUTH_REQUIRED"],
    ["a user without the permission", "/monitor", bearer(jwt()), 403, "FORBIDDEN"],
    ["a monitor, from the backend's route", "/api", bearer(jwt({ role: "moderator" })), 403, "FORBIDDEN"],
    ["an inactive user", "/user", bearer(jwt({ isActive: false })), 403, "FORBIDDEN"],
    ["a token that has ended", "/user", bearer(jwt({ exp: 1_000 })), 401, "TOKEN_EXPIRED"],
    ["a token that is none", "/user", bearer("a.b.c"), 401, "AUTH_FAILED"],
    ["a key that is a part of the key", "/api", { "X-API-Key": API_KEY.slice(0, -1) }, 401, "AUTH_FAILED"],
    ["a key with more behind it", "/api", { "X-API-Key": `${API_KEY}x` }, 401, "AUTH_FAILED"],
    ["an empty key", "/api", { "X-API-Key": "" }, 401, "AUTH_FAILED"],
    ["the key twice", "/api", { "X-API-Key": `${API_KEY}, ${API_KEY}` }, 401, "AUTH_FAILED"],
    ["key and token together", "/api", { ...key, ...bearer(admin) }, 400, "BAD_REQUEST"],
    ["key and token together, both good", "/monitor", { ...key, ...bearer(admin) }, 400, "BAD_REQUEST"],
    ["two tokens", "/api", { Authorization: `Bearer ${admin}, Bearer ${admin}` }, 400, "BAD_REQUEST"],
    ["another scheme", "/api", { Authorization: `Basic ${API_KEY}` }, 400, "BAD_REQUEST"],
    ["a scheme without a token", "/api", { Authorization: "Bearer" }, 400, "BAD_REQUEST"],
    ["a cookie, from the backend's route", "/api", { ...cookie(admin), Origin: APP }, 401, "AUTH_REQUIRED"],
    ["the key in a cookie", "/monitor", { ...cookie(API_KEY), Origin: APP }, 401, "AUTH_FAILED"],
    ["the key among subprotocols", "/monitor", { "Sec-WebSocket-Protocol": `auth, ${API_KEY}` }, 401, "AUTH_FAILED"],
    ["the key in the query", `/api?api_key=${API_KEY}&token=${API_KEY}`, {}, 401, "AUTH_REQUIRED"],
    ["a token in the query", `/user?token=${jwt()}`, {}, 401, "AUTH_REQUIRED"],
    ["a cookie that comes twice", "/user", { Cookie: "access_token=a; access_token=b" }, 400, "BAD_REQUEST"],
    [
      "the token of a page that may not",
      "/user",
      { ...bearer(jwt()), Origin: "https://evil.example" },
      403,
      "ORIGIN_FORBIDDEN",
    ],
  ])("%s", async (_who, path, headers, status, code) => {
    expect(await get(path, headers)).toEqual([status, code]);
    expect(probe.audited).toMatchObject([{ result: "refused", code, address: "192.0.2.1" }]);
    expect(JSON.stringify(probe.audited)).not.toContain(API_KEY.slice(0, 20));
  });

  test("is audited once: on the backend's and a monitor's routes as a call, on a user's as what it was", async () => {
    const from = { address: "192.0.2.1", userAgent: "probe/1" };
    await probe.ask("/monitor?token=canary", { headers: { ...bearer(jwt()), "User-Agent": "probe/1" } });
    await probe.ask("/api", { headers: { "User-Agent": "probe/1" } });
    await probe.ask("/user", { headers: { "User-Agent": "probe/1" } });
    await probe.ask("/user", { headers: { ...cookie(jwt()), "User-Agent": "probe/1" }, method: "POST" });
    const refused = { ...from, userId: null, result: "refused", isUnbounded: true } as const;
    expect(probe.audited).toEqual([
      {
        ...{ ...refused, event: "api.called", userId: "ada", code: "FORBIDDEN" },
        about: { by: "token", method: "GET", route: "/monitor" },
      },
      {
        ...{ ...refused, event: "api.called", code: "AUTH_REQUIRED" },
        about: { by: "nobody", method: "GET", route: "/api" },
      },
      { ...refused, event: "auth.failed", code: "AUTH_REQUIRED", about: { method: "GET", route: "/user" } },
      { ...refused, event: "access.denied", code: "ORIGIN_FORBIDDEN", about: { method: "POST", route: "/user" } },
    ]);
  });

  test("without a configured key every key is a token that is none", async () => {
    const keyless = new Probe(routes, null);
    for (const shown of [key, bearer(API_KEY), { "X-API-Key": "" }, { "X-API-Key": "null" }]) {
      expect(await keyless.ask("/api", { headers: shown })).toEqual([401, "AUTH_FAILED"]);
    }
  });

  test("guessing at the key is limited by address, and the right key is let in all the same", async () => {
    const codes: unknown[] = [];
    for (let guess = 0; guess < 25; guess += 1) codes.push((await get("/api", { "X-API-Key": `guess-${guess}` }))[1]);
    expect(codes.filter((code) => code === "AUTH_FAILED")).toHaveLength(20);
    expect(codes.filter((code) => code === "RATE_LIMITED")).toHaveLength(5);
    expect(await get("/api", key)).toEqual([200, "(key)"]);
  });
});

describe("a cookie, where something changes,", () => {
  const FOREIGN = [
    "https://evil.example",
    "null",
    "https://app.example.evil.com",
    "http://app.example",
    "",
    "*",
    "http://[",
  ];

  test.each(FOREIGN)(
    "counts for nothing with the Origin %j, and neither body nor token is looked at",
    async (Origin) => {
      expect(await post("/user", { ...cookie(jwt()), Origin })).toEqual([403, "ORIGIN_FORBIDDEN"]);
      expect(await post("/user", { ...cookie("none"), Origin, "Content-Type": "text/plain" })).toEqual([
        403,
        "ORIGIN_FORBIDDEN",
      ]);
      expect(await post("/monitor", { ...cookie(admin), Origin })).toEqual([403, "ORIGIN_FORBIDDEN"]);
    },
  );

  test("counts for nothing without an Origin", async () => {
    expect(await post("/user", cookie(jwt()))).toEqual([403, "ORIGIN_FORBIDDEN"]);
  });

  test("counts with an allowed Origin, and then only with a type that a foreign page cannot send unasked", async () => {
    const shown = { ...cookie(jwt()), Origin: APP };
    expect(await post("/user", shown)).toEqual([200, "ada"]);
    for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]) {
      expect(await post("/user", { ...shown, "Content-Type": type })).toEqual([415, "UNSUPPORTED_MEDIA_TYPE"]);
    }
  });

  test("counts from the node's own page, whose address only a trusted proxy may say", async () => {
    const own = { ...cookie(jwt()), Host: "node.example", Origin: "https://node.example" };
    const said = { ...own, "X-Forwarded-Host": "node.example", "X-Forwarded-Proto": "https" };
    const ask = (headers: Shown, address: string) => {
      const all = { "Content-Type": "application/json", ...headers };
      return probe.ask("/user", { method: "POST", headers: all, body: "{}" }, address);
    };
    expect(await ask({ ...own, Origin: "http://node.example" }, "192.0.2.1")).toEqual([200, "ada"]);
    expect(await ask(said, "192.0.2.1")).toEqual([403, "ORIGIN_FORBIDDEN"]);
    expect(await ask(said, "10.0.0.1")).toEqual([200, "ada"]);
  });

  test("is not needed beside a token without an Origin, as no page sends one", async () => {
    expect(await post("/user", bearer(jwt()))).toEqual([200, "ada"]);
  });

  test("without a list of origins counts from the node's own page alone", async () => {
    const listless = new Probe(routes, API_KEY, []);
    for (const Origin of [APP, ...FOREIGN]) {
      const headers = { "Content-Type": "application/json", ...cookie(jwt()), Origin };
      expect(await listless.ask("/user", { method: "POST", headers, body: "{}" })).toEqual([403, "ORIGIN_FORBIDDEN"]);
    }
  });
});
