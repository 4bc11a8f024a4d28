import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  compilePattern,
  isId,
  isRoomSlug,
  isTopic,
  matches,
  nameOf,
  namespaceOf,
  roomSlugOf,
  roomTopic,
} from "../../src/protocol/topic.ts";

describe("the topic grammar", () => {
  test.each(["room:general-chat", "user:123", "conversation:a:b", "x:A-Z_.~@/|+=%,", `room:${"a".repeat(195)}`])(
    "accepts %s",
    (topic) => expect(isTopic(topic)).toBe(true),
  );

  test.each([
    ["no namespace", "general"],
    ["an empty name", "room:"],
    ["an upper-case namespace", "Room:x"],
    ["a namespace that starts with a digit", "1room:x"],
    ["a namespace over 32 characters", `${"a".repeat(33)}:x`],
    ["more than 200 characters", `room:${"a".repeat(196)}`],
    ["a space", "room:a b"],
    ["a line feed at the end", "room:a\n"],
    ["NUL", "room:a\0"],
    ["a wildcard", "room:*"],
    ["braces", "room:{a}"],
    ["é in one code point", "room:é"],
    ["é in two code points", "room:e\u0301"],
    ["a Cyrillic а", "room:аdmin"],
    ["a zero-width space", "room:admin\u200b"],
    ["a lone surrogate", "room:\ud800"],
  ])("refuses %s", (_what, topic) => expect(isTopic(topic)).toBe(false));

  test("of all of Unicode takes the characters of ids, and no look-alike of one", () => {
    const taken = new Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~@:/|+=%,");
    const wrong: number[] = [];
    for (let code = 0; code <= 0x10_ffff; code += 1) {
      const name = `a${String.fromCodePoint(code)}`;
      const isGood = taken.has(name.slice(1));
      if (isId(name) !== isGood || isRoomSlug(name) !== isGood || isTopic(`x:${name}`) !== isGood) wrong.push(code);
    }
    expect(wrong).toEqual([]);
  });

  test("a room's slug fills the topic to its 200 characters and no further", () => {
    expect(isRoomSlug("a".repeat(195))).toBe(true);
    expect(isTopic(roomTopic("a".repeat(195)))).toBe(true);
    expect(isRoomSlug("a".repeat(196))).toBe(false);
    expect(isRoomSlug("")).toBe(false);
  });

  test("only the namespace room has a slug, and a name may hold colons", () => {
    expect(roomSlugOf("room:a:b")).toBe("a:b");
    expect(roomSlugOf("user:1")).toBeNull();
    expect(namespaceOf("user:a:b")).toBe("user");
    expect(nameOf("user:a:b")).toBe("a:b");
  });

  test("ids are bytes of one alphabet, up to 128", () => {
    expect(isId("a".repeat(128))).toBe(true);
    expect(isId("a".repeat(129))).toBe(false);
    expect(isId("")).toBe(false);
    expect(isId("a\u202e")).toBe(false);
  });
});

describe("topic patterns", () => {
  test.each([
    ["room:*", "room:a", true],
    ["room:*", "room:a:b", false],
    ["room:**", "room:a:b", true],
    ["room:**", "room", false],
    ["room:a*", "room:ab", null],
    ["*:a", "room:a", true],
    ["room:a", "room:a", true],
    ["room:a", "room:A", false],
    ["room:.*", "room:anything", null],
    ["room:a%2a", "room:a%2a", true],
    ["**:a", "room:a", null],
    ["", "room:a", null],
  ])("%s against %s is %p (null: no pattern)", (text, topic, expected) => {
    const pattern = compilePattern(text);
    expect(pattern === null ? null : matches(pattern, topic)).toBe(expected);
  });

  test("a topic is a pattern that matches itself and nothing else", () => {
    const name = fc.stringMatching(/^[a-z0-9_.~-]{1,12}$/);
    fc.assert(
      fc.property(name, name, (one, other) => {
        const pattern = compilePattern(`room:${one}`);
        expect(pattern !== null && matches(pattern, `room:${other}`)).toBe(one === other);
      }),
    );
  });
});
