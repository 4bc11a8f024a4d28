import { createSecretKey, randomUUID } from "node:crypto";
import { type JWTPayload, SignJWT } from "jose";
import type { Clock } from "../observe/clock.ts";

export interface IssueOptions {
  /** The one that `createAuthenticator` verifies with; checked there. */
  readonly secret: string;
  /** HS256 unless the node accepts another of the family only. */
  readonly algorithm: "HS256" | "HS384" | "HS512";
  readonly ttlS: number;
  /** What the node demands of every token it also puts into its own; null: left out. */
  readonly issuer: string | null;
  readonly audience: string | null;
  readonly typ: string | null;
  readonly userIdClaim: string;
}

export interface Subject {
  readonly id: string;
  readonly username: string;
  readonly role: string;
}

export interface IssuedToken {
  readonly token: string;
  readonly expiresInS: number;
}

/** Signs the tokens of `/api/login` (docs/protocol.md, "HTTP"): `sub`, `username`, `role`, `iat`, `exp`, `jti`. */
export type Issuer = (subject: Subject) => Promise<IssuedToken>;

export function createIssuer(options: IssueOptions, clock: Clock): Issuer {
  const key = createSecretKey(Buffer.from(options.secret, "utf8"));
  const header = { alg: options.algorithm, typ: options.typ ?? "JWT" };
  const fixed: JWTPayload = {
    ...(options.issuer === null ? {} : { iss: options.issuer }),
    ...(options.audience === null ? {} : { aud: options.audience }),
  };
  return async (subject) => {
    const issuedAtS = Math.floor(clock.now() / 1000);
    const claims: JWTPayload = {
      ...fixed,
      sub: subject.id,
      username: subject.username,
      role: subject.role,
      iat: issuedAtS,
      exp: issuedAtS + options.ttlS,
      jti: randomUUID(),
      // Last: whatever the claim is called, it holds the id and nothing that a user may choose.
      [options.userIdClaim]: subject.id,
    };
    const token = await new SignJWT(claims).setProtectedHeader(header).sign(key);
    return { token, expiresInS: options.ttlS };
  };
}
