import * as v from "valibot";
import { tokenId, userId } from "../auth/claims.ts";
import { instant } from "../auth/instant.ts";
import type { Actor } from "../hub/audit-trail.ts";
import type { Gathered } from "../hub/question.ts";
import type { Revoked, RevocationOrder } from "../hub/revocation.ts";
import { isId } from "../protocol/topic.ts";
import { actorOf } from "./actor.ts";
import { MISSING_FIELDS } from "./fields.ts";
import { NOTHING, type Route, route } from "./route.ts";

/** `POST /api/tokens/revoke`: ends one token, the tokens of a session, or those of a user. */

export interface RevocationPorts {
  readonly revoke: (order: RevocationOrder, actor: Actor) => (Revoked & Gathered) | Promise<Revoked & Gathered>;
}

const When = { issuedBefore: v.optional(instant), expiresAt: v.optional(instant) };

/** Strict, for a misspelled name would revoke something else than was meant. */
export const RevocationBody = v.union([
  v.strictObject({ jti: tokenId, ...When }),
  v.strictObject({ sid: tokenId, ...When }),
  v.strictObject({ sub: v.pipe(userId, v.transform(String), v.check(isId)), ...When }),
]);

const RevocationAnswer = v.object({ closed: v.number(), ...MISSING_FIELDS });

export function revocationRoutes({ revoke }: RevocationPorts): Route[] {
  return [
    route({
      ...{ method: "POST", path: "/api/tokens/revoke", access: "api", params: NOTHING, query: v.unknown() },
      summary: "Refuses tokens from now on, and closes the connections that came with them.",
      body: RevocationBody,
      answers: { 200: { what: "how many connections were closed", schema: RevocationAnswer } },
      errors: ["OVERLOADED"],
      async handle({ body, ...call }) {
        return Response.json(await revoke(orderOf(await body()), actorOf(call)));
      },
    }),
  ];
}

export function orderOf(body: v.InferOutput<typeof RevocationBody>): RevocationOrder {
  const when = { issuedBeforeMs: body.issuedBefore ?? null, expiresAtMs: body.expiresAt ?? null };
  if ("jti" in body) return { kind: "jti", value: body.jti, ...when };
  return "sid" in body ? { kind: "sid", value: body.sid, ...when } : { kind: "sub", value: body.sub, ...when };
}
