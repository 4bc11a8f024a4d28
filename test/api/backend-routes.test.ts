import { describe, expect, test } from "bun:test";
import * as v from "valibot";
import { compileAccess, DEFAULT_ACCESS } from "../../src/access.ts";
import type { CallerPorts } from "../../src/api/callers.ts";
import type { Method } from "../../src/api/route.ts";
import { createOriginPolicy } from "../../src/auth/origin.ts";
import { findCredential } from "../../src/auth/sources.ts";
import { authenticatorWith, claims, signed } from "../auth/tokens.ts";
import { Rig } from "./ports.ts";

/** What holds for every route of the backend alike: who may call, what is refused, and what is recorded. */

const KEY = "the-key-of-the-backend";

interface Sample {
  readonly method: Method;
  /** As it stands in the table of routes. */
  readonly route: string;
  readonly path: string;
  /** Null: no JSON is sent. */
  readonly body: Readonly<Record<string, unknown>> | null;
  /** The media type of a body that is read as it comes. */
  readonly type?: string;
}

const EVENT = { event: "news", data: { n: 1 } };

/** What OpenAPI says of who may call. */
const Secured = v.object({
  paths: v.record(v.string(), v.record(v.string(), v.object({ security: v.array(v.record(v.string(), v.unknown())) }))),
});

const SAMPLES: readonly Sample[] = [
  { method: "POST", route: "/api/publish", path: "/api/publish", body: { topic: "room:a", ...EVENT } },
  { method: "POST", route: "/api/users/{id}/send", path: "/api/users/u1/send", body: EVENT },
  { method: "POST", route: "/api/users/{id}/followers/send", path: "/api/users/u1/followers/send", body: EVENT },
  { method: "POST", route: "/api/users/{id}/disconnect", path: "/api/users/u1/disconnect", body: {} },
  { method: "POST", route: "/api/users/{id}/subscribe", path: "/api/users/u1/subscribe", body: { topic: "room:a" } },
  {
    method: "POST",
    route: "/api/users/{id}/unsubscribe",
    path: "/api/users/u1/unsubscribe",
    body: { topic: "room:a" },
  },
  {
    ...{ method: "POST", route: "/api/stream/{topic}", path: "/api/stream/room:a" },
    ...{ body: EVENT, type: "application/x-ndjson" },
  },
  { method: "GET", route: "/api/topics", path: "/api/topics", body: null },
  { method: "GET", route: "/api/topics/{topic}/presence", path: "/api/topics/room:a/presence", body: null },
  { method: "GET", route: "/api/topics/{topic}/history", path: "/api/topics/room:a/history", body: null },
  { method: "GET", route: "/api/connections", path: "/api/connections?user=u1", body: null },
  { method: "POST", route: "/api/tokens/revoke", path: "/api/tokens/revoke", body: { jti: "t1" } },
  {
    ...{ method: "PUT", route: "/api/users/{id}/permissions", path: "/api/users/u1/permissions" },
    ...{ body: { roles: ["guest"] } },
  },
  { method: "DELETE", route: "/api/users/{id}/permissions", path: "/api/users/u1/permissions", body: null },
];

const WITH_BODY = SAMPLES.filter(({ body }) => body !== null);
const WITH_JSON = WITH_BODY.filter(({ type }) => type === undefined);

function callers(apiKey: string | null): CallerPorts {
  return {
    apiKey,
    authenticator: authenticatorWith(),
    access: compileAccess(DEFAULT_ACCESS),
    origins: createOriginPolicy([]),
    findCredential: (view) => findCredential(view, { cookieName: "access_token", tokenInQuery: true }, true),
    hasEnded: () => false,
  };
}

function rigWith(apiKey: string | null = KEY): Promise<Rig> {
  return Rig.open(() => ({ callers: callers(apiKey) }));
}

function call(rig: Rig, sample: Sample, headers: Record<string, string> = { "X-API-Key": KEY }): Promise<Response> {
  const { method, path, body, type = "application/json" } = sample;
  if (body === null) return rig.fetch(path, { method, headers });
  return rig.fetch(path, { method, headers: { "Content-Type": type, ...headers }, body: JSON.stringify(body) });
}

const name = (samples: readonly Sample[]): [string, Sample][] =>
  samples.map((sample) => [`${sample.method} ${sample.route}`, sample]);

test("the samples are all the routes that take the key, but for the statistics", async () => {
  using rig = await rigWith();
  const document = v.parse(Secured, await (await rig.fetch("/openapi.json")).json());
  const keyed = Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.entries(operations)
      .filter(([, { security }]) => security.some((way) => "apiKey" in way))
      .map(([method]) => `${method.toUpperCase()} ${path}`),
  );
  const samples = SAMPLES.map(({ method, route }) => `${method} ${route}`);
  expect(keyed.toSorted()).toEqual([...samples, "GET /ws/stats"].toSorted());
});

describe.each(name(SAMPLES))("%s", (_name, sample) => {
  test("takes the key in either header, and a token that may publish", async () => {
    using rig = await rigWith();
    const token = signed(claims({ sub: "root", role: "admin" }));
    for (const headers of [
      { "X-API-Key": KEY },
      { Authorization: `Bearer ${KEY}` },
      { Authorization: `Bearer ${token}` },
    ]) {
      expect((await call(rig, sample, headers)).status).toBe(200);
    }
    expect(rig.failures).toEqual([]);
  });

  test("is there without a key for such a token, and no text is the key then", async () => {
    using rig = await rigWith(null);
    const token = signed(claims({ sub: "root", permissions: ["system.publish"] }));
    expect((await call(rig, sample, { "X-API-Key": token })).status).toBe(200);
    for (const text of ["null", "undefined"]) {
      expect((await call(rig, sample, { "X-API-Key": text })).status).toBe(401);
    }
  });

  test("refuses everybody else", async () => {
    using rig = await rigWith();
    const user = signed(claims({ sub: "u1", role: "moderator" }));
    const inQuery = {
      ...sample,
      path: `${sample.path}${sample.path.includes("?") ? "&" : "?"}token=${KEY}&api_key=${KEY}`,
    };
    expect((await call(rig, sample, {})).status).toBe(401);
    expect((await call(rig, inQuery, {})).status).toBe(401);
    expect((await call(rig, sample, { Cookie: `access_token=${KEY}` })).status).toBe(401);
    for (const key of ["", "x", `${KEY}x`, KEY.slice(1), KEY.toUpperCase()]) {
      expect((await call(rig, sample, { "X-API-Key": key })).status).toBe(401);
    }
    expect((await call(rig, sample, { Authorization: `Bearer ${user}` })).status).toBe(403);
    expect((await call(rig, sample, { Authorization: `Basic ${KEY}` })).status).toBe(400);
    expect((await call(rig, sample, { Authorization: `Bearer ${KEY}`, "X-API-Key": KEY })).status).toBe(400);
    expect(rig.hub.hub.broker.position("room:a")).toMatchObject({ offset: 0 });
  });

  test("knows no other method", async () => {
    using rig = await rigWith();
    const response = await rig.fetch(sample.path, { method: "PATCH", headers: { "X-API-Key": KEY } });
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")?.split(", ")).toContain(sample.method);
  });

  test("is recorded once, whoever called and however it ended, without anything that was sent", async () => {
    using rig = await rigWith();
    const token = signed(claims({ sub: "root", role: "admin" }));
    await call(rig, sample, { "X-API-Key": KEY, "User-Agent": "backend/1" });
    await call(rig, sample, { Authorization: `Bearer ${token}` });
    await call(rig, sample, { "X-API-Key": "wrong" });
    const about = { method: sample.method, route: sample.route };
    const shared = { event: "api.called", address: "192.0.2.1" };
    expect(rig.audited).toMatchObject([
      {
        ...shared,
        userId: null,
        userAgent: "backend/1",
        result: "ok",
        code: "OK",
        about: { by: "key", ...about },
      },
      { ...shared, userId: "root", result: "ok", code: "OK", about: { by: "token", ...about } },
      { ...shared, userId: null, result: "refused", code: "AUTH_FAILED", about: { by: "nobody", ...about } },
    ]);
    const series = `${sample.method} ${sample.route}`;
    expect(rig.calls).toEqual([`${series} ok`, `${series} ok`, `${series} refused`]);
    expect(JSON.stringify(rig.audited)).not.toMatch(/news|wrong|the-key/);
  });
});

describe.each(name(WITH_BODY))("%s with a body", (_name, sample) => {
  test.each(["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""])(
    "of the type %j is refused",
    async (type) => {
      using rig = await rigWith();
      expect((await call(rig, { ...sample, type })).status).toBe(415);
    },
  );
});

describe.each(name(WITH_JSON))("%s with a body", (_name, sample) => {
  test("over 64 KiB is refused, whether it says so or only sends it", async () => {
    using rig = await rigWith();
    const large = { ...sample.body, more: "x".repeat(65_536) };
    const said = await call(rig, { ...sample, body: large });
    expect([said.status, await said.json()]).toMatchObject([413, { code: "MESSAGE_TOO_LARGE", limit: 65_536 }]);
    const sent = await rig.fetch(sample.path, {
      method: sample.method,
      headers: { "Content-Type": "application/json", "X-API-Key": KEY },
      body: new Blob([JSON.stringify(large)]).stream(),
    });
    expect(sent.status).toBe(413);
  });

  test.each(["", "{", "[]", "7", "null", '{"topic":1,"event":1,"code":"x"}', "\u0000"])(
    "%j is refused",
    async (text) => {
      using rig = await rigWith();
      const response = await rig.fetch(sample.path, {
        method: sample.method,
        headers: { "Content-Type": "application/json", "X-API-Key": KEY },
        body: text,
      });
      expect([response.status, await response.json()]).toMatchObject([400, { code: "BAD_REQUEST" }]);
      expect(rig.failures).toEqual([]);
    },
  );
});
