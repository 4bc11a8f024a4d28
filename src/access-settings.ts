import * as v from "valibot";
import { type AccessOptions, DEFAULT_ACCESS, type Namespace, type Rule } from "./access.ts";
import { isNamespace, isTopic, namespaceOf } from "./protocol/topic.ts";

/**
 * Who may do what: the tables `[permissions]` and `[namespaces.…]` and the list `public_topics` of the TOML file, or what an application
 * gives in their place. It stands beside the defaults, and in place of the default of the same name.
 *
 * As in `settings.ts` no text holds a value; names of the file are shown, for they are what has to be changed.
 */

/** The keys of the file that are read here; the environment has no tables. */
export const ACCESS_KEYS = ["permissions", "namespaces", "public_topics"] as const;
export type AccessKey = (typeof ACCESS_KEYS)[number];
export type AccessTables = Readonly<Partial<Record<AccessKey, unknown>>>;

export interface AccessProblem {
  /** The place in the file: `namespaces.game.read`. */
  readonly name: string;
  /** Reads on from the name; never holds a value. */
  readonly problem: string;
}

const MAX_PERMISSIONS = 256;
const MAX_ROLES = 64;
const MAX_NAMESPACES = 64;
const MAX_PUBLIC_TOPICS = 1_000;

const LABELS = "must be 1 to 128 characters without control characters";
const ROLES = 'must be a list of roles, such as ["user", "admin"]; a name with a dot stands in quotes';
const RULE =
  'must be "any", "self", "server" or {permission = "…", and = "self", "granted" or "nothing"}; write also "members"';
const READ_MEMBERS = "must not be members: nobody could become one";
const AUDIENCE = 'must be "members", "readers" or "none"';
const FIELDS = "must be a table with read, write, presence and history, and nothing else";
const OWN_TOPICS = "must be none: the members of such a topic are the connections of its user";

const label = v.pipe(v.string(LABELS), v.regex(/^[^\p{Cc}]{1,128}$/u, LABELS));
const roles = v.pipe(v.array(label, ROLES), v.maxLength(MAX_ROLES, `must have at most ${MAX_ROLES} roles`));

const rule = v.union(
  [
    v.picklist(["any", "self", "members", "server"]),
    v.strictObject({ permission: label, and: v.optional(v.picklist(["self", "granted", "nothing"]), "nothing") }),
  ],
  RULE,
);
const audience = v.picklist(["members", "readers", "none"], AUDIENCE);
const namespace = v.strictObject(
  {
    read: v.pipe(
      rule,
      v.check((given) => given !== "members", READ_MEMBERS),
    ),
    write: rule,
    presence: audience,
    history: audience,
  },
  FIELDS,
);

interface TableRules<T> {
  readonly entry: v.GenericSchema<unknown, T>;
  readonly isName: (name: string) => boolean;
  readonly names: string;
  readonly max: number;
}

const PERMISSIONS: TableRules<readonly string[]> = {
  entry: roles,
  isName: (name) => v.is(label, name),
  names: LABELS,
  max: MAX_PERMISSIONS,
};

const NAMESPACES: TableRules<Namespace> = {
  entry: namespace,
  isName: isNamespace,
  names: "must have a name of at most 32 of a-z 0-9 -, a letter first",
  max: MAX_NAMESPACES,
};

/**
 * Everything that is wrong goes into `problems`, what is allowed but unwise into `warnings`. In the answer the defaults stand in place of what
 * is wrong, so that the rest can still be checked.
 */
export function accessOf(tables: AccessTables, problems: AccessProblem[], warnings: string[]): AccessOptions {
  const given = {
    permissions: tableOf("permissions", tables.permissions, PERMISSIONS, problems),
    namespaces: tableOf("namespaces", tables.namespaces, NAMESPACES, problems),
  };
  const permissions = { ...DEFAULT_ACCESS.permissions, ...given.permissions };
  const namespaces = { ...DEFAULT_ACCESS.namespaces, ...given.namespaces };
  if ((namespaces["user"]?.presence ?? "none") !== "none") {
    problems.push({ name: "namespaces.user.presence", problem: OWN_TOPICS });
  }
  for (const name of Object.keys(given.namespaces)) {
    warnings.push(...unheldPermissions(name, namespaces[name], new Set(Object.keys(permissions))));
  }
  return { namespaces, permissions, publicTopics: topicsOf(tables.public_topics, namespaces, problems) };
}

/** The entries of a table that are right. */
function tableOf<T>(
  key: AccessKey,
  given: unknown,
  rules: TableRules<T>,
  problems: AccessProblem[],
): Record<string, T> {
  const right: [string, T][] = [];
  if (given === undefined) return {};
  if (!isTable(given)) {
    problems.push({ name: key, problem: "must be a table" });
    return {};
  }
  const entries = Object.entries(given);
  if (entries.length > rules.max) problems.push({ name: key, problem: `must have at most ${rules.max} entries` });
  for (const [name, value] of entries.slice(0, rules.max)) {
    if (!rules.isName(name)) {
      problems.push({ name: `${key}.${name}`, problem: rules.names });
      continue;
    }
    const parsed = v.safeParse(rules.entry, value, { abortPipeEarly: true });
    if (parsed.success) right.push([name, parsed.output]);
    for (const issue of parsed.issues ?? []) problems.push(problemOf(`${key}.${name}`, issue));
  }
  return Object.fromEntries(right);
}

function isTable(given: unknown): given is object {
  if (typeof given !== "object" || given === null) return false;
  const prototype: unknown = Object.getPrototypeOf(given);
  return prototype === Object.prototype || prototype === null;
}

/** The field of a table is named, the entry of a list by its place. */
function problemOf(name: string, issue: v.BaseIssue<unknown>): AccessProblem {
  const keys = (issue.path ?? []).map(({ key }) => key);
  const place = keys.findIndex((key) => typeof key === "number");
  const entry = place === -1 ? "" : `entry ${Number(keys[place]) + 1} `;
  const fields = keys.filter((key) => typeof key === "string");
  return { name: [name, ...fields].join("."), problem: entry + issue.message };
}

/** Not wrong: a token may have it in its claim `permissions`. */
function unheldPermissions(name: string, rules: Namespace | undefined, held: ReadonlySet<string>): string[] {
  const fields: [string, Rule | undefined][] = [
    ["read", rules?.read],
    ["write", rules?.write],
  ];
  return fields
    .filter(([, given]) => typeof given === "object" && !held.has(given.permission))
    .map(([field]) => `namespaces.${name}.${field} needs a permission that no role has`);
}

/** In place of the default list, unlike the tables: it is short. */
function topicsOf(
  given: unknown,
  namespaces: Readonly<Record<string, Namespace>>,
  problems: AccessProblem[],
): readonly string[] {
  const name = "public_topics";
  if (given === undefined) return DEFAULT_ACCESS.publicTopics;
  const list = v.safeParse(v.pipe(v.array(v.unknown()), v.maxLength(MAX_PUBLIC_TOPICS)), given);
  if (!list.success) {
    problems.push({ name, problem: `must be a list of at most ${MAX_PUBLIC_TOPICS} topics` });
    return DEFAULT_ACCESS.publicTopics;
  }
  const topics: string[] = [];
  for (const [index, topic] of list.output.entries()) {
    if (typeof topic !== "string" || !isTopic(topic)) {
      problems.push({ name, problem: `entry ${index + 1} must be a topic, such as system:status` });
    } else if (!Object.hasOwn(namespaces, namespaceOf(topic))) {
      problems.push({ name, problem: `entry ${index + 1} is in a namespace that does not exist` });
    } else {
      topics.push(topic);
    }
  }
  return topics;
}
