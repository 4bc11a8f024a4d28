import * as v from "valibot";
import { ProtocolError } from "../protocol/codes.ts";
import type { GrantedAction, Principal } from "../protocol/principal.ts";
import { isId } from "../protocol/topic.ts";
import {
  firstName,
  frozen,
  MAX_FOLLOWS,
  onlyRole,
  permissionNames,
  roleNames,
  tokenId,
  topicGrants,
  userId,
} from "./claims.ts";
import { EARLIEST_MS, LATEST_MS } from "./instant.ts";

/** A user as an application describes it, and as it is described to an application. */

/** What an application says about a user. Whatever is left out is as for a token without that claim. */
export interface PrincipalInput {
  /** 1–128 of `A-Z a-z 0-9 _ . - ~ @ : / | + = % ,`, or a safe integer, which stays a number on the wire. */
  readonly id: string | number;
  /** Shown to other users. Default: `name`, else the id. */
  readonly username?: string | null | undefined;
  readonly name?: string | null | undefined;
  /** At most 32. Default: the setting `defaultRole`. */
  readonly roles?: readonly string[] | null | undefined;
  /** Permissions beside those of the roles. */
  readonly permissions?: readonly string[] | null | undefined;
  /** Topic pattern → what is granted there, e.g. `{"conversation:42": ["read", "write"]}`. */
  readonly topics?: Readonly<Record<string, readonly GrantedAction[]>> | null | undefined;
  /** Ids of users, at most 100, whose `followers:{id}` is received. */
  readonly follows?: readonly (string | number)[] | null | undefined;
  /** When access ends: milliseconds since 1970, or a `Date`. Default: never. */
  readonly expiresAt?: number | Date | null | undefined;
  /**
   * When the token was issued, as `expiresAt`: a revocation of all of a user's tokens compares it. Without it such a revocation holds for
   * every token that the user ever brings again.
   */
  readonly issuedAt?: number | Date | null | undefined;
  /** What a revocation of this token or session names: 1–256 characters. */
  readonly tokenId?: string | null | undefined;
  readonly sessionId?: string | null | undefined;
}

/** A user as the callbacks of an application get it. Frozen; it may be given back wherever a user is asked for. */
export interface User {
  /** A number where the token or the application said a number. */
  readonly id: string | number;
  readonly username: string;
  readonly name: string;
  readonly roles: readonly string[];
  /** Permissions beside those of the roles. */
  readonly permissions: readonly string[];
  /** Topic pattern → what is granted there. */
  readonly topics: Readonly<Record<string, readonly GrantedAction[]>> | null;
  readonly follows: readonly string[];
  /** Milliseconds since 1970; null: never. */
  readonly expiresAt: number | null;
}

const instantOrDate = v.pipe(
  v.union([
    v.number(),
    v.pipe(
      v.date(),
      v.transform((date) => date.getTime()),
    ),
  ]),
  v.finite(),
  v.minValue(EARLIEST_MS),
  v.maxValue(LATEST_MS),
);
const anId = v.pipe(
  userId,
  v.check((id) => isId(String(id))),
);

const schema = v.object({
  id: anId,
  username: v.nullish(v.string()),
  name: v.nullish(v.string()),
  roles: v.nullish(roleNames),
  permissions: v.nullish(permissionNames),
  topics: v.nullish(topicGrants),
  follows: v.nullish(v.pipe(v.array(anId), v.maxLength(MAX_FOLLOWS))),
  expiresAt: v.nullish(instantOrDate),
  issuedAt: v.nullish(instantOrDate),
  tokenId: v.nullish(tokenId),
  sessionId: v.nullish(tokenId),
});

/**
 * Throws a `TypeError` that names the wrong field: the fault is the application's. Throws TOKEN_EXPIRED when `expiresAt` is over, which
 * `nowMs` decides, the wall clock less the tolerance.
 */
export function principalFrom(input: unknown, defaultRole: string, nowMs: number): Principal {
  const parsed = v.safeParse(schema, input, { abortEarly: true });
  if (!parsed.success) throw new TypeError(`a user needs ${wrongField(parsed.issues[0])}`);
  const { id, username, name, roles, permissions, topics, follows, expiresAt, issuedAt, ...ids } = parsed.output;
  if (typeof expiresAt === "number" && expiresAt <= nowMs) throw new ProtocolError("TOKEN_EXPIRED");
  const shownAs = firstName(String(id), username ?? undefined, name ?? undefined);
  const distinct = new Set(roles);
  return Object.freeze({
    id: String(id),
    wireId: id,
    username: shownAs,
    name: firstName(shownAs, name ?? undefined),
    roles: distinct.size === 0 ? onlyRole(defaultRole) : Object.freeze([...distinct]),
    permissions: frozen(permissions ?? undefined),
    topics: topicsOf(topics ?? {}),
    follows: frozen(follows?.map(String)),
    expiresAtMs: expiresAt ?? null,
    issuedAtMs: issuedAt ?? null,
    jti: ids.tokenId ?? null,
    sid: ids.sessionId ?? null,
  });
}

function topicsOf(topics: Readonly<Record<string, GrantedAction[]>>): Principal["topics"] {
  const entries = Object.entries(topics);
  return entries.length === 0 ? null : new Map(entries);
}

const FIELDS: Readonly<Record<string, string>> = {
  id: "an `id`: 1 to 128 of A-Z a-z 0-9 _ . - ~ @ : / | + = % , or a safe integer",
  username: "a `username` that is text",
  name: "a `name` that is text",
  roles: "`roles` that are a list of at most 32 names",
  permissions: "`permissions` that are a list of names",
  topics: "`topics` that are an object from patterns to lists of read, write, presence",
  follows: "`follows` that are a list of at most 100 ids",
  expiresAt: "an `expiresAt` in milliseconds since 1970, or a Date",
  issuedAt: "an `issuedAt` in milliseconds since 1970, or a Date",
  tokenId: "a `tokenId` of 1 to 256 characters",
  sessionId: "a `sessionId` of 1 to 256 characters",
};

/** No value of it: it may be a secret in the wrong place. */
function wrongField(issue: v.BaseIssue<unknown>): string {
  const key = issue.path?.[0]?.key;
  return (typeof key === "string" ? FIELDS[key] : undefined) ?? "to be an object with an `id`";
}

const users = new WeakMap<Principal, User>();

/** The same object for the same principal. */
export function userOf(principal: Principal): User {
  const known = users.get(principal);
  if (known !== undefined) return known;
  const { wireId: id, username, name, roles, permissions, topics, follows, expiresAtMs: expiresAt } = principal;
  const granted = topics === null ? null : Object.freeze(Object.fromEntries(topics));
  const user = Object.freeze({ id, username, name, roles, permissions, topics: granted, follows, expiresAt });
  users.set(principal, user);
  return user;
}
