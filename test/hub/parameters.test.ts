import { describe, expect, test } from "bun:test";
import { findEndpoint } from "../../src/hub/endpoints.ts";
import { type Parameters, readParameters } from "../../src/hub/parameters.ts";

/** What path and query of a handshake say. */

function read(path: string, query = ""): Parameters {
  const found = findEndpoint(path);
  if (found === undefined) throw new Error("no endpoint");
  return readParameters(found, query);
}

const refusal = expect.objectContaining({ code: "BAD_REQUEST" });

describe("a user's id in the path", () => {
  test.each([
    ["/ws/ada", "ada"],
    ["/ws/%61da", "ada"],
    ["/ws/%2561", "%61"],
    ["/ws/a%2Fb", "a/b"],
    ["/ws/a+b", "a+b"],
    ["/ws/x:1@y~z", "x:1@y~z"],
    ["/ws/constructor", "constructor"],
    ["/ws/__proto__", "__proto__"],
    [`/ws/${"a".repeat(128)}`, "a".repeat(128)],
  ])("is decoded once: %s", (path, userId) => {
    expect(read(path)).toEqual({ userId, topics: [], echo: null });
  });

  test.each([
    ...["/ws/%", "/ws/%6", "/ws/%zz", "/ws/%ff", "/ws/%c0%af", "/ws/%00", "/ws/a%20b", "/ws/a*", "/ws/%E2%82%AC"],
    ...["/ws/{user_id}", `/ws/${"a".repeat(129)}`, "/ws/a%0D%0Ab", "/ws/%ED%A0%80"],
    ...["/api/v1/web3/ws/%", "/ws/conversation/%/42", "/ws/conversation/ada/%", "/ws/conversation/ada/a%20b"],
    ...[`/ws/conversation/ada/${"4".repeat(129)}`, "/api/ws/%0A", "/api/ws/%C3%A9", `/api/ws/${"p".repeat(129)}`],
  ])("or another parameter that is malformed is refused: %s", (path) => {
    expect(() => read(path)).toThrow(refusal);
  });
});

describe("the topic of an endpoint", () => {
  test.each([
    ["/ws/conversation/ada/42", ["conversation:42"]],
    ["/ws/conversation/ada/a%2Fb", ["conversation:a/b"]],
    ["/ws/conversation/%24%26/42", null],
    ["/ws/conversation/ada/%7Buser_id%7D", null],
    ["/api/v1/web3/ws/%2561", ["wallet:%61"]],
    ["/ws/ada", []],
    ["/realtime", []],
  ])("is named by its parameters: %s", (path, topics) => {
    if (topics === null) expect(() => read(path)).toThrow(refusal);
    else expect(read(path).topics).toEqual(topics);
  });
});

describe("what a client calls itself", () => {
  test.each([
    ["/api/ws", "", {}],
    ["/api/ws", "session_id=s%201&character_id=c", { sessionId: "s 1", characterId: "c" }],
    ["/api/ws", "session_id=%2561", { sessionId: "%61" }],
    ["/api/ws", "session_id=&character_id=", {}],
    ["/api/ws", "session_id=a&Session_id=b", { sessionId: "a" }],
    ["/api/ws", `session_id=${"s".repeat(128)}`, { sessionId: "s".repeat(128) }],
    ["/api/ws/p%20%2561", "", { characterId: "p %61" }],
    ["/api/ws/p", "session_id=s", { sessionId: "s", characterId: "p" }],
    ["/api/ws/p", "character_id=p", { characterId: "p" }],
    ["/api/ws/p", "character_id=", { characterId: "p" }],
    ["/api/ws/p", "character_id=q", { characterId: "q" }],
    ["/ws", "session_id=a&session_id=b", null],
    ["/realtime", "session_id=%00", null],
  ])("is repeated: %s?%s", (path, query, echo) => {
    expect(read(path, query).echo).toEqual(echo);
  });

  test.each([
    ["/api/ws", "session_id=a&session_id=a"],
    ["/api/ws", "session_id=&session_id=a"],
    ["/api/ws", "character_id=a&session_id=b&character_id=a"],
    ["/api/ws", "session_id=%00"],
    ["/api/ws", "session_id=%7F"],
    ["/api/ws", "session_id=%C3%A9"],
    ["/api/ws", "session_id=%ff"],
    ["/api/ws", `session_id=${"s".repeat(129)}`],
    ["/api/ws/p", "character_id=p&character_id=p"],
  ])("is refused when it is malformed or doubled: %s?%s", (path, query) => {
    expect(() => read(path, query)).toThrow(refusal);
  });
});
