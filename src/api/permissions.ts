import * as v from "valibot";
import { permissionNames, roleNames, topicGrants } from "../auth/claims.ts";
import { MAX_TOKEN_LENGTH } from "../auth/jwt.ts";
import type { Actor } from "../hub/audit-trail.ts";
import type { Reach } from "../hub/changed-permissions.ts";
import type { PermissionChange } from "../protocol/principal.ts";
import { compilePattern } from "../protocol/topic.ts";
import { actorOf } from "./actor.ts";
import { UserPath } from "./fields.ts";
import { type Route, route } from "./route.ts";

/** `PUT` and `DELETE /api/users/{id}/permissions`: what a user may do, whatever its tokens say. */

export interface PermissionPorts {
  readonly set: (userId: string, change: PermissionChange, actor: Actor) => Reach | Promise<Reach>;
  readonly clear: (userId: string, actor: Actor) => Reach | Promise<Reach>;
}

/** As the claims of the same names, and no longer than a token that said it could be. Strict, so that no misspelled name changes nothing. */
export const PermissionBody = v.pipe(
  v.strictObject({
    roles: v.optional(roleNames),
    permissions: v.optional(permissionNames),
    topics: v.optional(
      v.pipe(
        topicGrants,
        v.check((topics) => Object.keys(topics).every((pattern) => compilePattern(pattern) !== null)),
      ),
    ),
  }),
  v.check((body) => Object.keys(body).length > 0 && JSON.stringify(body).length <= MAX_TOKEN_LENGTH),
);

const PermissionAnswer = v.object({ connections: v.number(), lost: v.number() });

const ABOUT = {
  path: "/api/users/{id}/permissions",
  access: "api",
  params: UserPath,
  query: v.unknown(),
  answers: {
    200: { what: "how many connections were checked again, and how many topics they lost", schema: PermissionAnswer },
  },
} as const;

export function permissionRoutes({ set, clear }: PermissionPorts): Route[] {
  return [
    route({
      ...ABOUT,
      method: "PUT",
      summary: "Changes what a user may do, at once and for a day; what is left out stays as the token says.",
      body: PermissionBody,
      errors: ["OVERLOADED"],
      async handle({ params, body, ...call }) {
        return answerOf(await set(params.id, changeOf(await body()), actorOf(call)));
      },
    }),
    route({
      ...ABOUT,
      method: "DELETE",
      summary: "Takes such a change back.",
      body: null,
      async handle({ params, ...call }) {
        return answerOf(await clear(params.id, actorOf(call)));
      },
    }),
  ];
}

export function changeOf({ roles, permissions, topics }: v.InferOutput<typeof PermissionBody>): PermissionChange {
  return {
    roles: roles ?? null,
    permissions: permissions ?? null,
    topics: topics === undefined ? null : new Map(Object.entries(topics)),
  };
}

function answerOf({ connections, lost }: Reach): Response {
  return Response.json({ connections, lost });
}
