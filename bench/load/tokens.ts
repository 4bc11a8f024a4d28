import { createHmac } from "node:crypto";

const HEADER = Buffer.from(JSON.stringify({ alg: "HS256", typ: "JWT" })).toString("base64url");
const LIFETIME_S = 3600;

/** An HS256 token. The same arguments give the same token, another `jti` one that the server has never seen. */
export function hs256Token(secret: string, user: string, jti: string, issuedAtS: number): string {
  const claims = { sub: user, username: user, jti, iat: issuedAtS, exp: issuedAtS + LIFETIME_S };
  const signed = `${HEADER}.${Buffer.from(JSON.stringify(claims)).toString("base64url")}`;
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}
