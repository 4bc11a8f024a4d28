import { expect, test } from "bun:test";
import { negotiate } from "../../src/protocol/subprotocol.ts";

test.each([
  ["nothing offered", null, null, false, null],
  ["json", "json", null, false, "json"],
  ["the versioned name", "tautline.v1.json", null, false, "tautline.v1.json"],
  ["the first known one of several", "foo, json, tautline.v1.json", null, false, "json"],
  ["auth with its token", "auth, a.b.c", null, true, "auth"],
  ["a framing beside auth and its token", "auth, a.b.c, json", null, true, "json"],
  ["auth that carried no token", "auth", null, false, null],
  ["only unknown names", "soap, wamp", null, false, null],
  ["names of Object.prototype", "constructor, __proto__", null, false, null],
  ["a format in the query", null, "json", false, null],
])("%s is answered as it should be", (_what, offer, format, offersToken, expected) => {
  const { codec, subprotocol } = negotiate(offer, format, offersToken);
  expect(subprotocol).toBe(expected);
  expect(codec.name).toBe("json");
});
