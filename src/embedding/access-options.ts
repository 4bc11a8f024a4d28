import * as v from "valibot";
import { type AccessOptions, DEFAULT_ACCESS, type Namespace } from "../access.ts";
import type { Problem } from "../config.ts";
import { isTopic } from "../protocol/topic.ts";

/** Who may do what, where it differs from the table of docs/protocol.md, "Topics and rooms". */
export interface AccessInputs {
  /** By name, `[a-z][a-z0-9-]{0,31}`; one that is given replaces the default of its name as a whole. */
  readonly namespaces?: Readonly<Record<string, Namespace>> | undefined;
  /** Permission → the roles that have it; one that is given replaces the default of its name. */
  readonly permissions?: Readonly<Record<string, readonly string[]>> | undefined;
  /** Single topics that every user may read. Default: `system:status`. */
  readonly publicTopics?: readonly string[] | undefined;
}

const MAX_ENTRIES = 1_000;
const name = v.pipe(v.string(), v.regex(/^[A-Za-z0-9_.:-]{1,64}$/));
const rule = v.union([
  v.picklist(["any", "self", "members", "server"]),
  v.strictObject({ permission: name, and: v.picklist(["self", "granted", "nothing"]) }),
]);
const audience = v.picklist(["members", "readers", "none"]);
const namespace = v.strictObject({ read: rule, write: rule, presence: audience, history: audience });
const schema = v.object({
  namespaces: v.optional(v.record(v.pipe(v.string(), v.regex(/^[a-z][a-z0-9-]{0,31}$/)), namespace), {}),
  permissions: v.optional(v.record(name, v.pipe(v.array(name), v.maxLength(MAX_ENTRIES))), {}),
  publicTopics: v.optional(
    v.pipe(
      v.array(
        v.pipe(
          v.string(),
          v.check((topic) => isTopic(topic)),
        ),
      ),
      v.maxLength(MAX_ENTRIES),
    ),
    [...DEFAULT_ACCESS.publicTopics],
  ),
});

/** The defaults with what was given over them. Problems are added to the list; then the answer means nothing. */
export function accessOf(inputs: AccessInputs, hasAuthorizer: boolean, problems: Problem[]): AccessOptions {
  const parsed = v.safeParse(schema, inputs);
  if (!parsed.success) {
    for (const issue of parsed.issues) problems.push({ name: placeOf(issue), problem: "is not what it must be" });
    return DEFAULT_ACCESS;
  }
  const { namespaces, permissions, publicTopics } = parsed.output;
  return {
    namespaces: { ...DEFAULT_ACCESS.namespaces, ...namespaces },
    permissions: { ...DEFAULT_ACCESS.permissions, ...permissions },
    publicTopics,
    hasAuthorizer,
  };
}

function placeOf(issue: v.BaseIssue<unknown>): string {
  const keys =
    issue.path?.map(({ key }) =>
      String(key)
        .replace(/[^A-Za-z0-9_.:-]/g, "?")
        .slice(0, 64),
    ) ?? [];
  return keys.join(".");
}
