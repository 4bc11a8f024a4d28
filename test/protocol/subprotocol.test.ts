import { expect, test } from "bun:test";
import { negotiate } from "../../src/protocol/subprotocol.ts";

test.each([
  ["nothing offered", null, null, false, null, "json"],
  ["json", "json", null, false, "json", "json"],
  ["msgpack", "msgpack", null, false, "msgpack", "msgpack"],
  ["the versioned name", "tautline.v1.json", null, false, "tautline.v1.json", "json"],
  ["the versioned name of MessagePack", "tautline.v1.msgpack", null, false, "tautline.v1.msgpack", "msgpack"],
  ["the first known one of several", "foo, json, tautline.v1.msgpack", null, false, "json", "json"],
  ["the first known one, MessagePack", "foo, msgpack, json", null, false, "msgpack", "msgpack"],
  ["auth with its token", "auth, a.b.c", null, true, "auth", "json"],
  ["auth with its token, and a format", "auth, a.b.c", "msgpack", true, "auth", "json"],
  ["a framing beside auth and its token", "auth, a.b.c, msgpack", null, true, "msgpack", "msgpack"],
  [
    "a framing in front of auth and its token",
    "tautline.v1.msgpack, auth, a.b.c",
    null,
    true,
    "tautline.v1.msgpack",
    "msgpack",
  ],
  ["auth that carried no token", "auth", null, false, null, "json"],
  ["only unknown names", "soap, wamp", null, false, null, "json"],
  ["only unknown names, and a format", "soap", "msgpack", false, null, "msgpack"],
  ["another case", "MsgPack, JSON", null, false, null, "json"],
  ["names of Object.prototype", "constructor, __proto__", "toString", false, null, "json"],
  ["a format in the query", null, "json", false, null, "json"],
  ["MessagePack in the query", null, "msgpack", false, null, "msgpack"],
  ["a format against the offer", "json", "msgpack", false, "json", "json"],
  ["an unknown format", null, "cbor", false, null, "json"],
  ["the name of a subprotocol as a format", null, "tautline.v1.msgpack", false, null, "json"],
] as const)("%s is answered as it should be", (_what, offer, format, offersToken, expected, name) => {
  const { codec, subprotocol } = negotiate(offer, format, offersToken);
  expect(subprotocol).toBe(expected);
  expect(codec.name).toBe(name);
});
