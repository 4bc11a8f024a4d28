import { describe, expect, test } from "bun:test";
import type { Action } from "../src/access.ts";
import { compileAccess, DEFAULT_ACCESS, isGranted } from "../src/access.ts";
import type { Principal } from "../src/protocol/principal.ts";
import { principal } from "./support/principal.ts";

const access = compileAccess(DEFAULT_ACCESS);
const user = principal({ id: "7", roles: ["user"] });
const guest = principal({ id: "7", roles: ["guest"] });
const moderator = principal({ id: "7", roles: ["moderator"] });
const granted = principal({ id: "7", roles: ["user"], topics: new Map([["conversation:42", ["read"]]]) });

describe("the default rules", () => {
  const rows: [string, Principal, Action, string, string][] = [
    ["anyone may join a room", guest, "read", "room:a", "yes"],
    ["members write to a room", guest, "write", "room:a", "members"],
    ["members see who is in a room", guest, "presence", "room:a", "members"],
    ["a user reads its own topic", user, "read", "user:7", "yes"],
    ["nobody reads another user's topic", moderator, "read", "user:8", "no"],
    ["nobody writes to a user's topic", user, "write", "user:7", "no"],
    ["there is no presence of a user's topic", user, "presence", "user:7", "no"],
    ["anyone reads what is for followers", guest, "read", "followers:9", "yes"],
    ["a conversation without the permission is closed", guest, "read", "conversation:42", "no"],
    ["a conversation with permission alone asks the authorizer", user, "read", "conversation:42", "ask"],
    ["a grant in the token opens a conversation", granted, "read", "conversation:42", "yes"],
    ["a grant to read is none to write", granted, "write", "conversation:42", "ask"],
    ["a grant is for its own topic", granted, "read", "conversation:43", "ask"],
    ["a wallet is its owner's", user, "read", "wallet:7", "yes"],
    ["a wallet is nobody else's", user, "read", "wallet:8", "no"],
    ["a wallet needs the permission", moderator, "read", "wallet:7", "no"],
    ["system status is for anyone", guest, "read", "system:status", "yes"],
    ["other system topics need the permission", user, "read", "system:load", "no"],
    ["a moderator may monitor", moderator, "read", "system:load", "yes"],
    ["there is no history of system topics", moderator, "history", "system:load", "no"],
    ["an unknown namespace is closed", moderator, "read", "secret:a", "no"],
    ["a namespace of Object.prototype is unknown", moderator, "read", "constructor:a", "no"],
  ];

  test.each(rows)("%s", (_what, who, action, topic, expected) => {
    expect(access.may(who, action, topic)).toBe(expected as ReturnType<typeof access.may>);
  });
});

test("the permissions claim adds to what roles give", () => {
  const both = principal({ roles: ["user"], permissions: ["system.monitor"] });
  expect(access.hasPermission(both, "system.monitor")).toBe(true);
  expect(access.permissionsOf(both)).toEqual([
    "conversation.read",
    "conversation.write",
    "system.monitor",
    "wallet.read",
  ]);
  expect(access.hasPermission(principal({ roles: ["constructor"] }), "system.monitor")).toBe(false);
});

describe("a grant of a token", () => {
  const topics = (pattern: string) => new Map([[pattern, ["read"] as const]]);

  test.each([
    ["conversation:42", "conversation:42", true],
    ["conversation:42", "conversation:421", false],
    ["conversation:42", "conversation:42:a", false],
    ["conversation:*", "conversation:42", true],
    ["conversation:*", "conversation:42:a", false],
    ["conversation:*:a", "conversation:42:a", true],
    ["conversation:**", "conversation:42:a", true],
    ["conversation:**", "conversation", false],
    ["*:42", "conversation:42", true],
    ["**", "conversation:42", true],
    ["conversation:a*", "conversation:ab", false],
    ["conversation:a*", "conversation:a.b/../x", false],
    ["conversation:**:a", "conversation:b:a", false],
    ["conversation:.*", "conversation:42", false],
    ["conversation:4.", "conversation:42", false],
    ["conversation:[0-9]+", "conversation:42", false],
    ["conversation:a%2a", "conversation:a*", false],
    ["conversation:a%2a", "conversation:a%2a", true],
    ["conversation:A", "conversation:a", false],
    ["conversation:a\n", "conversation:a", false],
    ["^conversation:42$", "conversation:42", false],
    ["conversation:42|conversation:43", "conversation:42", false],
    ["", "conversation:42", false],
    ["*", "conversation:42", false],
    [`conversation:${"x".repeat(10_000)}`, "conversation:42", false],
  ])("on %p holds on %p: %p", (pattern, topic, expected) => {
    expect(isGranted(topics(pattern), "read", topic)).toBe(expected);
    expect(isGranted(topics(pattern), "write", topic)).toBe(false);
    // The second time it is known.
    expect(isGranted(topics(pattern), "read", topic)).toBe(expected);
  });
});

describe("with an authorizer", () => {
  const asking = compileAccess({ ...DEFAULT_ACCESS, hasAuthorizer: true });
  const rows: [Action, string, string][] = [
    ["read", "room:a", "ask"],
    ["write", "room:a", "ask"],
    ["presence", "room:a", "members"],
    ["history", "room:a", "members"],
    ["read", "user:7", "ask"],
    ["presence", "user:7", "no"],
    ["read", "conversation:42", "ask"],
    ["presence", "conversation:42", "ask"],
    ["history", "conversation:42", "ask"],
    ["read", "system:status", "ask"],
    ["history", "system:status", "no"],
    ["read", "game:1", "ask"],
    ["presence", "game:1", "ask"],
  ];

  test.each(rows)("to %s %s is %s", (action, topic, expected) => {
    const all = principal({ id: "7", roles: ["admin"], topics: new Map([["**", ["read", "write", "presence"]]]) });
    expect(asking.may(all, action, topic)).toBe(expected as ReturnType<typeof access.may>);
    expect(asking.isOpenToMembers(topic)).toBe(false);
  });
});
