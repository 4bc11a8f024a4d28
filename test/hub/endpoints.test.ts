import { describe, expect, test } from "bun:test";
import { ENDPOINTS, findEndpoint } from "../../src/hub/endpoints.ts";

/** The table of the upgrade paths, and how a path is found in it. */

const IN_BRACES = /\{(\w+)\}/g;

function namesIn(template: string): (string | undefined)[] {
  return [...template.matchAll(IN_BRACES)].map(([, name]) => name);
}

describe("the table of endpoints", () => {
  test.each(ENDPOINTS.map((endpoint) => [endpoint.path, endpoint] as const))(
    "%s lists the parameters of its path in their order, and its topic uses no others",
    (path, { parameters, topic }) => {
      expect(namesIn(path)).toEqual([...parameters]);
      const known: readonly (string | undefined)[] = parameters;
      expect(namesIn(topic ?? "").filter((name) => !known.includes(name))).toEqual([]);
    },
  );

  test("has each path once, and finds every row by a path of its own", () => {
    expect(new Set(ENDPOINTS.map(({ path }) => path)).size).toBe(ENDPOINTS.length);
    for (const endpoint of ENDPOINTS) {
      const path = endpoint.path.replace(IN_BRACES, "x");
      expect(findEndpoint(path)?.endpoint).toBe(endpoint);
    }
  });

  test("only where a token may come by the first frame no cookie is read", () => {
    for (const { readsCookies, authenticatesByFrame } of ENDPOINTS) expect(readsCookies).toBe(!authenticatesByFrame);
  });
});

describe("a path", () => {
  test.each([
    ["/ws/ada", "/ws/{user_id}", ["ada"]],
    ["/ws/stats", "/ws/{user_id}", ["stats"]],
    ["/ws/conversation", "/ws/{user_id}", ["conversation"]],
    ["/ws/a%2Fb", "/ws/{user_id}", ["a%2Fb"]],
    ["/ws/constructor", "/ws/{user_id}", ["constructor"]],
    ["/ws/__proto__", "/ws/{user_id}", ["__proto__"]],
    ["/ws/{user_id}", "/ws/{user_id}", ["{user_id}"]],
    ["/ws/conversation/ada/42", "/ws/conversation/{user_id}/{conversation_id}", ["ada", "42"]],
    ["/api/ws/hero", "/api/ws/{player_id}", ["hero"]],
    ["/api/v1/web3/ws/ada", "/api/v1/web3/ws/{user_id}", ["ada"]],
    ["/api/ws", "/api/ws", []],
    ["/", "/", []],
  ])("%s is found with what stands in the place of its parameters, undecoded", (path, template, values) => {
    const found = findEndpoint(path);
    expect([found?.endpoint.path, found?.values]).toEqual([template, values]);
  });

  test.each([
    ...["", "ws", "//", "//ws", "/ws/", "/ws//", "/WS", "/Ws/ada", "/ws/ada/", "/ws/a/b", "/ws%2Fada", "/ws;x"],
    ...["/ws/conversation/", "/ws/conversation/ada", "/ws/conversation//42", "/ws/conversation/ada/", "/ws/chat/a/b"],
    ...["/api", "/api/", "/api/ws/", "/api/ws/a/b", "/api/v1/web3/ws", "/api/v1/web3/ws/", "/api/v2/web3/ws/ada"],
    ...["/realtime/", "/realtime/ada", "constructor", "__proto__", "/constructor", "/__proto__"],
  ])("%p is no endpoint", (path) => {
    expect(findEndpoint(path)).toBeUndefined();
  });
});
