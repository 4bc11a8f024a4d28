import { createHmac } from "node:crypto";

/** What the nodes of the kit check tokens with. */
export const SECRET = "chaos-kit-7vQ2xW9mB4nT6yL1pZ8cF3hJ5gD0sA";

const HEADER = encoded({ alg: "HS256", typ: "JWT" });

/** An HS256 token of a user that ends at `endsAtS`, in seconds since 1970. */
export function tokenOf(user: string, endsAtS: number): string {
  const signed = `${HEADER}.${encoded({ sub: user, username: user, iat: nowS(), exp: endsAtS })}`;
  return `${signed}.${createHmac("sha256", SECRET).update(signed).digest("base64url")}`;
}

export function nowS(): number {
  return Math.floor(Date.now() / 1_000);
}

function encoded(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
