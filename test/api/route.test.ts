import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import * as v from "valibot";
import { NOTHING, route } from "../../src/api/route.ts";
import { isId } from "../../src/protocol/topic.ts";
import { RawPeer } from "../support/peer.ts";
import { Probe } from "./probe.ts";

/** What a route gets of a request, whatever the request looks like. */

const ANSWERS = { 200: { what: "what came in", schema: null } };
const OPEN = { access: "open", summary: "", answers: ANSWERS } as const;
const USER = "/probe/{id}/of/{topic}";

const userRoute = route({
  ...{ ...OPEN, method: "GET", path: USER, body: null },
  params: v.object({ id: v.pipe(v.string(), v.check(isId)), topic: v.string() }),
  query: v.object({ limit: v.optional(v.string()), cursor: v.optional(v.string()) }),
  handle: ({ params, query }) => Response.json({ params, query }),
});
const bodyRoute = route({
  ...{ ...OPEN, method: "POST", path: "/probe", params: NOTHING, query: NOTHING },
  body: v.object({ name: v.string() }),
  handle: async ({ body }) => Response.json(await body()),
});

let probe: Probe;
beforeEach(() => {
  probe = new Probe([userRoute, bodyRoute]);
});
afterEach(() => expect(probe.failures).toEqual([]));

describe("a parameter in the path", () => {
  test.each([
    ["as it is", "/probe/ada/of/x", "ada", "x"],
    ["decoded", "/probe/a%3Ab/of/room%3Ax", "a:b", "room:x"],
    ["decoded once and not twice", "/probe/%2561/of/%252F", "%61", "%2F"],
    ["with a slash that was encoded", "/probe/a%2Fb/of/c%2fd", "a/b", "c/d"],
    ["with a question mark and a hash that were encoded", "/probe/a/of/%3Fx%23y", "a", "?x#y"],
    ["with a plus, which is no space in a path", "/probe/a+b/of/c+d", "a+b", "c+d"],
    ["in UTF-8", "/probe/a/of/%C3%A9%F0%9F%98%80", "a", "é😀"],
    ["named like a part of every object", "/probe/__proto__/of/constructor", "__proto__", "constructor"],
  ])("comes %s", async (_how, path, id, topic) => {
    expect(await probe.ask(path)).toEqual([200, { params: { id, topic }, query: {} }]);
  });

  test.each([
    ["a percent sign alone", "/probe/a/of/%"],
    ["half an escape", "/probe/a/of/%2"],
    ["an escape of no hexadecimal digits", "/probe/a/of/%zz"],
    ["bytes that are no UTF-8", "/probe/a/of/%ff"],
    ["an overlong form", "/probe/a/of/%c0%af"],
    ["a surrogate", "/probe/a/of/%ed%a0%80"],
    ["NUL, where it is an id", "/probe/%00/of/x"],
    ["a line feed, where it is an id", "/probe/a%0Ab/of/x"],
    ["markup, where it is an id", "/probe/%3Cscript%3E/of/x"],
    ["a letter outside of ASCII, where it is an id", "/probe/%D0%B0dmin/of/x"],
    ["more than an id holds", `/probe/${"a".repeat(129)}/of/x`],
  ])("is BAD_REQUEST with %s", async (_what, path) => {
    expect(await probe.ask(path)).toEqual([400, "BAD_REQUEST"]);
  });
});

describe("the query", () => {
  test.each([
    ["twice", "limit=1&limit=2"],
    ["twice with the same value", "limit=1&limit=1"],
    ["once encoded", "limit=1&%6Cimit=2"],
    ["once without a value", "limit=1&limit"],
    ["behind another one", "limit=1&cursor=x&limit=2"],
    ["although nobody knows it", "x=1&x=2"],
    ["as a part of every object", "__proto__=1&__proto__=2"],
  ])("with a parameter %s is BAD_REQUEST, as programs differ in which one counts", async (_how, query) => {
    expect(await probe.ask(`/probe/a/of/x?${query}`)).toEqual([400, "BAD_REQUEST"]);
  });

  test.each([
    ["decoded once", "limit=%2561&cursor=a%26b", { limit: "%61", cursor: "a&b" }],
    ["with plus as a space", "limit=a+b", { limit: "a b" }],
    ["without what the route does not know", "limit=1&x=2&__proto__=3&constructor=4", { limit: "1" }],
    ["without a name", "=1&limit=2", { limit: "2" }],
    ["by names with their case", "Limit=1&LIMIT=2", {}],
  ])("comes %s", async (_how, query, expected) => {
    expect(await probe.ask(`/probe/a/of/x?${query}`)).toEqual([
      200,
      { params: { id: "a", topic: "x" }, query: expected },
    ]);
  });
});

describe("a body", () => {
  const post = (body: string | Buffer<ArrayBuffer>, type = "application/json"): Promise<readonly [number, unknown]> =>
    probe.ask("/probe", { method: "POST", headers: { "Content-Type": type }, body });

  test.each([
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/jsonp",
  ])("of the type %s, which pages of other origins may send, is 415", async (type) => {
    expect(await post('{"name":"a"}', type)).toEqual([415, "UNSUPPORTED_MEDIA_TYPE"]);
  });

  test.each([
    ["nothing", ""],
    ["no JSON", "{name:1}"],
    ["another type", '{"name":1}'],
    ["a list", '[{"name":"a"}]'],
    ["null", "null"],
    ["bytes that are no UTF-8", Buffer.from('{"name":"\xff"}', "latin1")],
    ["a second value behind the first", '{"name":"a"}{"name":"b"}'],
    ["brackets without end", "[".repeat(60_000)],
  ])("with %s is BAD_REQUEST", async (_what, body) => {
    expect(await post(body)).toEqual([400, "BAD_REQUEST"]);
  });

  test("over 64 KiB is 413", async () => {
    expect(await post(JSON.stringify({ name: "x".repeat(65_536) }))).toEqual([413, "MESSAGE_TOO_LARGE"]);
  });

  test("is passed on without what the route does not know", async () => {
    const sent = '{"name":"a","__proto__":{"isAdmin":true},"constructor":1,"name2":2}';
    expect(await post(sent)).toEqual([200, { name: "a" }]);
  });
});

test("over a socket a path is what it is once dots are resolved, for the choice of the route and its parameters alike", async () => {
  using server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    development: false,
    fetch: (request) => probe.fetch(request),
  });
  const ask = async (path: string): Promise<readonly [number, string]> => {
    using peer = await RawPeer.connect(server.port ?? 0);
    const response = await peer.request(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
    return [response.status, response.body];
  };
  const answer = JSON.stringify({ params: { id: "ada", topic: "x" }, query: {} });
  for (const path of ["/probe/ada/of/x", "/probe/eve/../ada/of/x", "/probe/eve/%2e%2e/ada/of/./x"]) {
    expect(await ask(path)).toEqual([200, answer]);
  }
  for (const path of [
    "/probe/ada/of/x/",
    "//probe/ada/of/x",
    "/probe//of/x",
    "/probe/ada/of/x%2fy/z",
    "/PROBE/ada/of/x",
  ]) {
    expect((await ask(path))[0]).toBe(404);
  }
});
