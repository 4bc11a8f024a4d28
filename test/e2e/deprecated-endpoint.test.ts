import { afterEach, beforeEach, expect, test } from "bun:test";
import type { UpgradeRequest } from "../support/http.ts";
import { TestNode, token } from "../support/node.ts";
import { oneNode } from "../support/one-node.ts";

/** `/api/ws/{player_id}` works, and says in every answer what to use instead. */

const PATH = "/api/ws/hero";
const SINCE = `@${Date.UTC(2026, 10, 26) / 1_000}`;
const INSTEAD = '</api/ws>; rel="successor-version"';

let node: TestNode;
beforeEach(async () => {
  node = await TestNode.start({ MAX_CONNECTIONS_PER_USER: "3", HANDSHAKE_BURST: "100000" });
});
afterEach(() => node.stop());

const bearer = (jwt: string): readonly [string, string] => ["Authorization", `Bearer ${jwt}`];

test.each<[string, number, UpgradeRequest]>([
  ["the upgrade", 101, { path: PATH, headers: [bearer(token())] }],
  ["no token", 401, { path: PATH }],
  ["a bad token", 401, { path: PATH, headers: [bearer("a.b.c")] }],
  ["an inactive user", 403, { path: PATH, headers: [bearer(token({ isActive: false }))] }],
  ["an ambiguous credential", 400, { path: `${PATH}?token=a`, headers: [bearer("a.b.c")] }],
  ["a malformed parameter", 400, { path: "/api/ws/%zz" }],
])("the answer to %s carries Deprecation and Link", async (_what, expected, request) => {
  const { status, headers } = await (await node.peer()).upgrade(request);
  expect(status).toBe(expected);
  expect([headers.get("deprecation"), headers.get("link")]).toEqual([[SINCE], [INSTEAD]]);
});

test.each([
  ["GET", 426],
  ["HEAD", 426],
  ["POST", 405],
])("so does the answer to a plain %s, which is %i", async (method, expected) => {
  const { status, headers } = await node.http(PATH, { method });
  expect([status, headers.get("deprecation"), headers.get("link")]).toEqual([expected, SINCE, INSTEAD]);
});

test.each(["/api/ws", "/ws", "/nowhere"])("the answers to %s carry neither", async (path) => {
  const { headers } = await (await node.peer()).upgrade({ path, headers: [bearer(token())] });
  expect([headers.get("deprecation"), headers.get("link")]).toEqual([undefined, undefined]);
  expect((await node.http(path)).headers.has("deprecation")).toBe(false);
});

oneNode("limits")(
  "each of its users is logged once, with the template of the path; whoever is refused is not",
  async () => {
    for (const sub of ["ada", "ada", "bob", "ada"]) {
      await node.upgraded({ path: PATH, headers: [bearer(token({ sub }))] });
    }
    const { status } = await (await node.peer()).upgrade({ path: PATH, headers: [bearer(token({ sub: "ada" }))] });
    expect(status).toBe(429);
    await node.connect("eve");
    const warned = (await node.logAfterStop()).filter(({ endpoint }) => endpoint === "/api/ws/{player_id}");
    expect(warned.map(({ level, userId }) => [level, userId])).toEqual([
      ["warn", "ada"],
      ["warn", "bob"],
    ]);
  },
);
