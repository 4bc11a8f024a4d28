import { expect, test } from "bun:test";
import fc from "fast-check";
import { hash } from "node:crypto";
import { digestOf } from "../../src/auth/digest.ts";

test("the digest of a text or of bytes is that of node:crypto, for nodes on Bun and on Node share the tickets in Redis", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.string({ unit: "binary" }), fc.uint8Array({ maxLength: 300 })), (data) => {
      expect(digestOf(data)).toBe(hash("sha256", data, "base64url"));
    }),
  );
});
