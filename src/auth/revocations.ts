import type { Revocation, RevocationStore } from "../broker/broker.ts";
import { isIssuedBy, type Principal } from "../protocol/principal.ts";

/** Whether a token that is good by itself was revoked (docs/protocol.md, "Revocation and changed permissions"). */

export type Revocations = Pick<RevocationStore, "find" | "size">;

/** By the token's own id, its session, or its user. */
export function isRevoked(principal: Principal, revocations: Revocations): boolean {
  if (revocations.size === 0) return false;
  const { id, jti, sid, issuedAtMs } = principal;
  if (isMeant(revocations.find("sub", id), issuedAtMs)) return true;
  if (jti !== null && isMeant(revocations.find("jti", jti), issuedAtMs)) return true;
  return sid !== null && isMeant(revocations.find("sid", sid), issuedAtMs);
}

function isMeant(revocation: Revocation | null, issuedAtMs: number | null): boolean {
  return revocation !== null && isIssuedBy(issuedAtMs, revocation.issuedBeforeMs);
}
