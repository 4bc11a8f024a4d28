import * as v from "valibot";
import { ProtocolError } from "../protocol/codes.ts";
import type { GrantedAction, Principal } from "../protocol/principal.ts";
import { isId } from "../protocol/topic.ts";
import { LATEST_MS } from "./instant.ts";

/** From the claims of a token whose signature is good to a principal (docs/protocol.md, "Claims"; RFC 7519 section 4.1). */

export interface ClaimRules {
  /** Exactly `iss`; null: any. */
  readonly issuer: string | null;
  /** `aud`, or one of its entries; null: any. */
  readonly audience: string | null;
  /** The header's `typ`, compared without case and without `application/` (RFC 7515 section 4.1.9); null: any. */
  readonly typ: string | null;
  /** The claim that holds the user's id: "sub" unless the issuer names it otherwise. */
  readonly userIdClaim: string;
  /** How far the issuer's clock may be off, in seconds, for `exp`, `nbf` and `iat` alike. */
  readonly clockToleranceS: number;
  /** Refuses tokens that live longer, in seconds: `exp` − `iat`, without `iat` from now; null: no bound. */
  readonly maxTokenLifetimeS: number | null;
  /** The role of a token that names none. */
  readonly defaultRole: string;
}

export const MAX_ROLES = 32;
export const MAX_FOLLOWS = 100;
const MAX_NAME_LENGTH = 128;
const NONE: readonly string[] = Object.freeze([]);

/** Well formed, for it goes out in UTF-8, which has no lone surrogates. */
export const label = v.pipe(
  v.string(),
  v.minLength(1),
  v.maxLength(MAX_NAME_LENGTH),
  v.check((text) => text.isWellFormed()),
);
export const tokenId = v.pipe(v.string(), v.minLength(1), v.maxLength(256));
export const userId = v.union([v.string(), v.pipe(v.number(), v.safeInteger())]);
const seconds = v.pipe(v.number(), v.finite());
const actions = v.array(v.picklist(["read", "write", "presence"] satisfies GrantedAction[]));

export const roleNames = v.pipe(v.array(label), v.maxLength(MAX_ROLES));
export const permissionNames = v.array(label);
/** To a record an array and a `Map` are objects without entries, which would grant nothing instead of being refused. */
export const topicGrants = v.pipe(
  v.unknown(),
  v.check((value) => !Array.isArray(value) && !(value instanceof Map)),
  v.record(v.string(), actions),
);

const CLAIMS = v.object({
  exp: v.pipe(v.number(), v.safeInteger()),
  nbf: v.optional(seconds),
  iat: v.optional(seconds),
  iss: v.optional(v.unknown()),
  aud: v.optional(v.unknown()),
  jti: v.optional(tokenId),
  sid: v.optional(tokenId),
  username: v.optional(v.string()),
  preferred_username: v.optional(v.string()),
  name: v.optional(v.string()),
  role: v.optional(label),
  roles: v.optional(roleNames),
  permissions: v.optional(permissionNames),
  topics: v.optional(topicGrants),
  follows: v.optional(v.pipe(v.array(userId), v.maxLength(MAX_FOLLOWS))),
  isActive: v.optional(v.boolean()),
});

type Claims = v.InferOutput<typeof CLAIMS>;

/** The schema of each claim: a token has few of them, and asking for all the others took longer than its signature. */
const claimSchemas = new Map<string, v.GenericSchema>(Object.entries(CLAIMS.entries));

/** They are used as they stand: a schema that changed one would be of no effect. */
function areClaims(payload: Readonly<Record<string, unknown>>): payload is Claims {
  if (!Object.hasOwn(payload, "exp")) return false;
  for (const name of Object.keys(payload)) {
    const schema = claimSchemas.get(name);
    if (schema !== undefined && !v.is(schema, payload[name])) return false;
  }
  return true;
}

/**
 * Throws AUTH_FAILED for a missing or wrong claim, TOKEN_EXPIRED when nothing but `exp` is wrong, FORBIDDEN for `isActive: false`.
 * `typ` is the header's, as it stands. `nowMs` is the wall clock.
 */
export function principalOf(
  payload: Readonly<Record<string, unknown>>,
  typ: unknown,
  rules: ClaimRules,
  nowMs: number,
): Principal {
  const wireId = Object.hasOwn(payload, rules.userIdClaim) ? payload[rules.userIdClaim] : undefined;
  if (!areClaims(payload) || !v.is(userId, wireId)) throw new ProtocolError("AUTH_FAILED");
  const claims = payload;
  const id = String(wireId);
  if (!isId(id)) throw new ProtocolError("AUTH_FAILED");
  const follows = claims.follows === undefined ? NONE : claims.follows.map(String);
  if (!isMeantForUs(claims, typ, rules) || !isPlausible(claims, rules, nowMs) || !follows.every(isId)) {
    throw new ProtocolError("AUTH_FAILED");
  }
  if (claims.exp <= Math.floor(nowMs / 1000) - rules.clockToleranceS) throw new ProtocolError("TOKEN_EXPIRED");
  if (claims.isActive === false) throw new ProtocolError("FORBIDDEN");

  const username = firstName(id, claims.username, claims.preferred_username, claims.name);
  return Object.freeze({
    id,
    wireId,
    username,
    name: firstName(username, claims.name),
    roles: rolesOf(claims, rules.defaultRole),
    permissions: frozen(claims.permissions),
    topics: topicsOf(claims),
    follows: frozen(follows),
    expiresAtMs: Math.min(claims.exp * 1000, LATEST_MS),
    issuedAtMs: claims.iat === undefined ? null : claims.iat * 1000,
    jti: claims.jti ?? null,
    sid: claims.sid ?? null,
  });
}

function isMeantForUs(claims: Claims, typ: unknown, rules: ClaimRules): boolean {
  if (rules.issuer !== null && claims.iss !== rules.issuer) return false;
  if (rules.audience !== null && !isAudience(claims.aud, rules.audience)) return false;
  return rules.typ === null || (typeof typ === "string" && mediaType(typ) === mediaType(rules.typ));
}

function isAudience(aud: unknown, wanted: string): boolean {
  return aud === wanted || (Array.isArray(aud) && aud.includes(wanted));
}

function mediaType(typ: string): string {
  return typ.toLowerCase().replace(/^application\//, "");
}

function isPlausible(claims: Claims, rules: ClaimRules, nowMs: number): boolean {
  const nowS = Math.floor(nowMs / 1000);
  const latestS = nowS + rules.clockToleranceS;
  if (claims.nbf !== undefined && claims.nbf > latestS) return false;
  if (claims.iat !== undefined && claims.iat > latestS) return false;
  return rules.maxTokenLifetimeS === null || claims.exp - (claims.iat ?? nowS) <= rules.maxTokenLifetimeS;
}

function rolesOf(claims: Claims, defaultRole: string): readonly string[] {
  if (claims.roles === undefined) return onlyRole(claims.role ?? defaultRole);
  const roles = new Set(claims.roles);
  if (claims.role !== undefined) roles.add(claims.role);
  return roles.size === 0 ? onlyRole(defaultRole) : Object.freeze([...roles]);
}

/** Nearly every token names one of a few roles: they share one list, for a frozen one of its own would be 150 bytes per connection. */
const MAX_SHARED_ROLES = 256;
const sharedRoles = new Map<string, readonly string[]>();

export function onlyRole(role: string): readonly string[] {
  const known = sharedRoles.get(role);
  if (known !== undefined) return known;
  const roles = Object.freeze([role]);
  if (sharedRoles.size < MAX_SHARED_ROLES) sharedRoles.set(role, roles);
  return roles;
}

export function frozen(list: readonly string[] | undefined): readonly string[] {
  return list === undefined || list.length === 0 ? NONE : Object.freeze(list);
}

function topicsOf(claims: Claims): ReadonlyMap<string, readonly GrantedAction[]> | null {
  if (claims.topics === undefined) return null;
  const topics = new Map(Object.entries(claims.topics));
  return topics.size === 0 ? null : topics;
}

/** Controls, line and paragraph separators, and the bidirectional formatting characters of UAX 9: none may reach another's screen. */
const HIDDEN = /[\p{Cc}\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** The first candidate of which something is left, at most 128 UTF-16 units and never half a character. */
export function firstName(fallback: string, ...candidates: readonly (string | undefined)[]): string {
  for (const candidate of candidates) {
    if (candidate === undefined) continue;
    const name = cleanName(candidate);
    if (name !== "") return name;
  }
  return fallback;
}

export function cleanName(text: string): string {
  const clean = text.toWellFormed().replace(HIDDEN, "").trim();
  if (clean.length <= MAX_NAME_LENGTH) return clean;
  const endsInsidePair = /[\ud800-\udbff]/.test(clean.charAt(MAX_NAME_LENGTH - 1));
  return clean.slice(0, endsInsidePair ? MAX_NAME_LENGTH - 1 : MAX_NAME_LENGTH);
}
