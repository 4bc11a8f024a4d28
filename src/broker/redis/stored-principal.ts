import * as v from "valibot";
import type { GrantedAction, PermissionChange, Principal } from "../../protocol/principal.ts";
import { isId } from "../../protocol/topic.ts";
import { decodedJson } from "./stored-json.ts";

/** Users and what they may do, as they stand in Redis. A list of topics has pairs, since no key of an object is free of meaning. */

const MAX_LENGTH = 65_536;
const names = v.array(v.string());
const actions = v.array(v.picklist(["read", "write", "presence"] satisfies GrantedAction[]));
const topics = v.nullable(v.array(v.tuple([v.string(), actions])));
const id = v.pipe(v.string(), v.check(isId));
const instant = v.nullable(v.pipe(v.number(), v.finite()));

const principalSchema = v.object({
  ...{ id, wireId: v.union([v.string(), v.number()]), username: v.string(), name: v.string() },
  ...{ roles: names, permissions: names, topics, follows: v.array(id) },
  ...{ expiresAtMs: instant, issuedAtMs: instant, jti: v.nullable(v.string()), sid: v.nullable(v.string()) },
});

export const changeSchema = v.pipe(
  v.object({ roles: v.nullable(names), permissions: v.nullable(names), topics }),
  v.transform((change): PermissionChange => ({ ...change, topics: grantsOf(change.topics) })),
);

export function storedPrincipal(principal: Principal): string {
  return JSON.stringify({ ...principal, topics: pairsOf(principal.topics) });
}

/** Null when it is none. */
export function principalStored(text: string): Principal | null {
  const parsed = text.length > MAX_LENGTH ? null : decodedJson(principalSchema, text);
  if (parsed === null || String(parsed.wireId) !== parsed.id) return null;
  const { roles, permissions, follows } = parsed;
  return Object.freeze({
    ...parsed,
    ...{ roles: Object.freeze(roles), permissions: Object.freeze(permissions), follows: Object.freeze(follows) },
    topics: grantsOf(parsed.topics),
  });
}

export function pairsOf(granted: Principal["topics"]): readonly unknown[] | null {
  return granted === null ? null : [...granted];
}

function grantsOf(pairs: v.InferOutput<typeof topics>): Principal["topics"] {
  return pairs === null ? null : new Map(pairs);
}
