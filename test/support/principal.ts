import type { Principal } from "../../src/protocol/principal.ts";

export function principal(fields: Partial<Principal> = {}): Principal {
  const id = fields.id ?? "u1";
  return {
    id,
    wireId: id,
    username: `name-of-${id}`,
    name: `Name of ${id}`,
    roles: ["user"],
    permissions: [],
    topics: null,
    follows: [],
    expiresAtMs: null,
    issuedAtMs: null,
    jti: null,
    sid: null,
    ...fields,
  };
}
