import type { GrantedAction, Principal } from "./protocol/principal.ts";
import type { TopicPattern } from "./protocol/topic.ts";
import { compilePattern, matches, MAX_TOPIC_LENGTH, nameOf, namespaceOf } from "./protocol/topic.ts";

/** What someone wants to do with a topic. */
export type Action = "read" | "write" | "presence" | "history";

/** `members` = yes for a connection that is a member; `ask` = only the authorizer knows. */
export type Decision = "yes" | "no" | "members" | "ask";

/**
 * Who may do one thing in a namespace: `any` authenticated user, `self` (the topic is named after the user), `members`,
 * nobody but the `server`; or a permission, with what is needed besides it.
 */
export type Rule =
  "any" | "self" | "members" | "server" | { readonly permission: string; readonly and: "self" | "granted" | "nothing" };

/** Who sees who is there, or what was said: only members, everyone who may read, or nobody since there is none. */
export type Audience = "members" | "readers" | "none";

export interface Namespace {
  readonly read: Rule;
  readonly write: Rule;
  readonly presence: Audience;
  readonly history: Audience;
}

export interface AccessOptions {
  readonly namespaces: Readonly<Record<string, Namespace>>;
  /** Single topics that any authenticated user may read, whatever their namespace says. */
  readonly publicTopics: readonly string[];
  /** Permission → the roles that have it. */
  readonly permissions: Readonly<Record<string, readonly string[]>>;
  /** An authorizer decides what may be read and written, instead of these rules. */
  readonly hasAuthorizer?: boolean;
}

/** The table of docs/protocol.md, "Topics and rooms". */
export const DEFAULT_ACCESS: AccessOptions = {
  namespaces: {
    room: { read: "any", write: "members", presence: "members", history: "members" },
    conversation: {
      read: { permission: "conversation.read", and: "granted" },
      write: { permission: "conversation.write", and: "granted" },
      presence: "readers",
      history: "readers",
    },
    user: { read: "self", write: "server", presence: "none", history: "readers" },
    followers: { read: "any", write: "server", presence: "none", history: "readers" },
    wallet: {
      read: { permission: "wallet.read", and: "self" },
      write: "server",
      presence: "none",
      history: "readers",
    },
    system: {
      read: { permission: "system.monitor", and: "nothing" },
      write: "server",
      presence: "none",
      history: "none",
    },
  },
  publicTopics: ["system:status"],
  permissions: {
    "conversation.read": ["user", "admin", "moderator"],
    "conversation.write": ["user", "admin", "moderator"],
    "wallet.read": ["user", "admin"],
    "system.monitor": ["admin", "moderator"],
    "system.publish": ["admin"],
  },
};

export interface Access {
  /**
   * Pure and synchronous. An unknown namespace is "no", like a topic that is forbidden. `isGrantedHere`: something besides the principal's
   * own token grants the action on this very topic.
   */
  may(principal: Principal, action: Action, topic: string, isGrantedHere?: boolean): Decision;
  /** From the token's roles and its `permissions` claim. */
  hasPermission(principal: Principal, permission: string): boolean;
  /** Of the roles and the claim together, sorted. */
  permissionsOf(principal: Principal): readonly string[];
  /** Whether whoever is in the topic may write to it, so that a message needs no further check. */
  isOpenToMembers(topic: string): boolean;
  hasPresence(topic: string): boolean;
  hasHistory(topic: string): boolean;
}

const NONE: readonly string[] = [];

/** What an authorizer lets exist beside the configured namespaces. */
const UNKNOWN_NAMESPACE: Namespace = { read: "server", write: "server", presence: "readers", history: "readers" };

export function compileAccess(options: AccessOptions): Access {
  const namespaces = new Map(Object.entries(options.namespaces));
  const publicTopics = new Set(options.publicTopics);
  const hasAuthorizer = options.hasAuthorizer === true;
  const unknown = hasAuthorizer ? UNKNOWN_NAMESPACE : null;
  const permissionsByRole = invert(options.permissions);
  const listByRole = new Map([...permissionsByRole].map(([role, held]) => [role, [...held].toSorted()]));

  function hasPermission(principal: Principal, permission: string): boolean {
    if (principal.permissions.includes(permission)) return true;
    return principal.roles.some((role) => permissionsByRole.get(role)?.has(permission) === true);
  }

  function decide(
    rule: Rule,
    principal: Principal,
    action: GrantedAction,
    topic: string,
    isGrantedHere: boolean,
  ): Decision {
    if (rule === "any") return "yes";
    if (rule === "members") return "members";
    if (rule === "server") return "no";
    if (rule === "self") return nameOf(topic) === principal.id ? "yes" : "no";
    if (!hasPermission(principal, rule.permission)) return "no";
    if (rule.and === "nothing") return "yes";
    if (rule.and === "self") return nameOf(topic) === principal.id ? "yes" : "no";
    return isGrantedHere || isGranted(principal.topics, action, topic) ? "yes" : "ask";
  }

  const audienceOf = (topic: string, what: "presence" | "history"): Audience =>
    (namespaces.get(namespaceOf(topic)) ?? unknown)?.[what] ?? "none";

  return {
    may(principal, action, topic, isGrantedHere = false) {
      if (action === "presence" || action === "history") {
        const audience = audienceOf(topic, action);
        if (audience === "none") return "no";
        if (audience === "members") return "members";
        if (hasAuthorizer) return "ask";
        if (action === "presence" && (isGrantedHere || isGranted(principal.topics, "presence", topic))) return "yes";
        return this.may(principal, "read", topic, isGrantedHere);
      }
      if (hasAuthorizer) return "ask";
      const namespace = namespaces.get(namespaceOf(topic));
      if (namespace === undefined) return "no";
      if (action === "read" && publicTopics.has(topic)) return "yes";
      return decide(namespace[action], principal, action, topic, isGrantedHere);
    },
    isOpenToMembers: (topic) => !hasAuthorizer && namespaces.get(namespaceOf(topic))?.write === "members",
    hasPermission,
    permissionsOf(principal) {
      // Tokens without a list of their own share that of their role: every greeting asks for it.
      const [role] = principal.roles;
      if (role !== undefined && principal.roles.length === 1 && principal.permissions.length === 0) {
        return listByRole.get(role) ?? NONE;
      }
      const all = new Set(principal.permissions);
      for (const name of principal.roles) {
        for (const permission of permissionsByRole.get(name) ?? []) all.add(permission);
      }
      return [...all].toSorted();
    },
    hasPresence: (topic) => audienceOf(topic, "presence") !== "none",
    hasHistory: (topic) => audienceOf(topic, "history") !== "none",
  };
}

function invert(permissions: Readonly<Record<string, readonly string[]>>): Map<string, Set<string>> {
  const byRole = new Map<string, Set<string>>();
  for (const [permission, roles] of Object.entries(permissions)) {
    for (const role of roles) {
      const held = byRole.get(role) ?? new Set();
      byRole.set(role, held.add(permission));
    }
  }
  return byRole;
}

/** Patterns come from tokens: compiled once each, and no more than this many are kept. */
const MAX_COMPILED = 10_000;
const compiled = new Map<string, TopicPattern | null>();

function patternOf(text: string): TopicPattern | null {
  if (text.length > MAX_TOPIC_LENGTH) return null; // no pattern, and too long to be kept
  const known = compiled.get(text);
  if (known !== undefined) return known;
  if (compiled.size >= MAX_COMPILED) compiled.clear();
  const pattern = compilePattern(text);
  compiled.set(text, pattern);
  return pattern;
}

/** What the `topics` of a token say about one topic. */
export function isGranted(topics: Principal["topics"], action: GrantedAction, topic: string): boolean {
  if (topics === null) return false;
  for (const [text, actions] of topics) {
    if (!actions.includes(action)) continue;
    const pattern = patternOf(text);
    if (pattern !== null && matches(pattern, topic)) return true;
  }
  return false;
}
