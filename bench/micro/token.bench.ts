import { createSecretKey, randomBytes } from "node:crypto";
import { jwtVerify } from "jose";
import { bench, do_not_optimize, group } from "mitata";
import { principalOf, type ClaimRules } from "../../src/auth/claims.ts";
import { Hmac } from "../../src/auth/hmac.ts";
import { parseObject, parseToken } from "../../src/auth/jwt.ts";
import { hs256Token } from "../load/tokens.ts";

const secret = randomBytes(32).toString("hex");
const key = createSecretKey(Buffer.from(secret));
const hmac = new Hmac("sha256", Buffer.from(secret));
const nowMs = Date.now();
const token = hs256Token(secret, "u00001", "1", Math.floor(nowMs / 1000));
const rules: ClaimRules = {
  issuer: null,
  audience: null,
  typ: null,
  userIdClaim: "sub",
  clockToleranceS: 5,
  maxTokenLifetimeS: null,
  defaultRole: "user",
};

function verify(): string {
  const parsed = parseToken(token);
  if (parsed === null || !hmac.isValid(parsed.signingInput, parsed.signature))
    throw new Error("a good token was refused");
  const payload = parseObject(parsed.payload);
  if (payload === null) throw new Error("a good payload was refused");
  return principalOf(payload, parsed.typ, rules, nowMs).id;
}

group("HS256 token never seen", () => {
  bench("parse", () => do_not_optimize(parseToken(token)));
  bench("parse, signature, claims: synchronous", () => do_not_optimize(verify()));
  bench("jose, awaited", async () => do_not_optimize(await jwtVerify(token, key, { algorithms: ["HS256"] })));
});
