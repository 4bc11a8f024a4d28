import { describe, expect, test } from "bun:test";
import { isEventName } from "../../src/protocol/event-name.ts";

describe("the name of an event", () => {
  test("is made of 64 characters of ASCII at most, of all of Unicode", () => {
    const taken = new Set("abcdefghijklmnopqrstuvwxyz0123456789_.-");
    const wrong: number[] = [];
    for (let code = 0; code <= 0x10_ffff; code += 1) {
      const character = String.fromCodePoint(code);
      if (isEventName(`a${character}`) !== taken.has(character)) wrong.push(code);
    }
    expect(wrong).toEqual([]);
    expect([isEventName("a".repeat(64)), isEventName("a".repeat(65)), isEventName("")]).toEqual([true, false, false]);
  });

  test.each(["Note", "1note", "_note", ".note", "note\n", "note ", "nöte", "<b>", "\u001b[2j", "room:x", "note/x"])(
    "is not %j",
    (name) => expect(isEventName(name)).toBe(false),
  );

  test.each(["then", "constructor", "prototype", "valueof"])("may be %s, which is no part of anything", (name) => {
    expect(isEventName(name)).toBe(true);
  });
});
