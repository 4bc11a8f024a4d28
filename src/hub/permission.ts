import type { GrantedAction, Principal } from "../protocol/principal.ts";
import type { Connection } from "./connection.ts";
import type { Hub } from "./hub.ts";
import { isOwnTopic } from "./session.ts";
import { Verdicts } from "./verdicts.ts";

/** What a connection asks to do with a topic. */
export type Request = GrantedAction | "history";

/**
 * Asks somebody outside what the rules leave open: an HTTP hook, or a function of the application. It rejects when it has no answer, be it
 * that it failed or that it took too long: that denies, but is not kept as its answer.
 */
export interface Authorizer {
  check(principal: Principal, action: GrantedAction, topic: string): boolean | Promise<boolean>;
}

/**
 * Whether a connection may do it: its own grants, the rules, and where these say so membership or the authorizer, whose answers are
 * kept for a while. A promise only while the authorizer is asked; it never rejects.
 */
export function isAllowed(
  hub: Hub,
  connection: Connection,
  action: Request,
  topic: string,
): boolean | Promise<boolean> {
  const { principal } = connection;
  if (principal === null) return false;
  const startedMs = hub.clock.monotonic();
  const decision = decide(hub, connection, principal, action, topic);
  const answer = decision === "ask" ? ask(hub, connection, principal, action, topic) : decision === "yes";
  if (!(answer instanceof Promise)) {
    time(hub, startedMs);
    return answer;
  }
  return answer.then((known) => {
    time(hub, startedMs);
    // What was asked about the permissions of before says nothing about those of now.
    return known ?? isAllowed(hub, connection, action, topic);
  });
}

function time(hub: Hub, startedMs: number): void {
  hub.metrics.permissionCheck.observe((hub.clock.monotonic() - startedMs) / 1_000);
}

/** What was said is for whoever may read. */
function grantedAction(action: Request): GrantedAction {
  return action === "history" ? "read" : action;
}

function decide(
  hub: Hub,
  connection: Connection,
  principal: Principal,
  action: Request,
  topic: string,
): "yes" | "no" | "ask" {
  const { grants } = connection;
  const grant = grants === null ? null : grants.find(topic, grantedAction(action), hub.clock.now());
  if (grant === "backend") return "yes";
  const decision = hub.access.may(principal, action, topic, grant === "token");
  if (decision === "yes") return "yes";
  if (decision === "members") return isMember(hub, connection, principal, topic) ? "yes" : "no";
  // Who is in a topic sees who else is, and what was said, where there is any of it.
  const isSeenByMembers =
    (action === "presence" && hub.access.hasPresence(topic)) || (action === "history" && hub.access.hasHistory(topic));
  return isSeenByMembers && isMember(hub, connection, principal, topic) ? "yes" : decision;
}

/** Of its user's own topic every connection is one. */
function isMember(hub: Hub, connection: Connection, principal: Principal, topic: string): boolean {
  return hub.joinedRoom(connection, topic) !== undefined || isOwnTopic(principal, topic);
}

/** Null: the user's permissions have changed meanwhile. */
function ask(
  hub: Hub,
  connection: Connection,
  principal: Principal,
  request: Request,
  topic: string,
): boolean | Promise<boolean | null> {
  const { authorizer } = hub;
  if (authorizer === null) return false;
  const action = grantedAction(request);
  const verdicts = (connection.verdicts ??= new Verdicts());
  const known = verdicts.get(action, topic, hub.clock.monotonic());
  if (known !== null) return known;
  const keep = (isGranted: boolean, hasFailed: boolean): boolean => {
    verdicts.set(action, topic, isGranted, hasFailed, hub.clock.monotonic());
    return isGranted;
  };
  const keepUnlessChanged = (isGranted: boolean, hasFailed: boolean): boolean | null => {
    return connection.verdicts === verdicts ? keep(isGranted, hasFailed) : null;
  };
  try {
    // Not the same object after a change: nobody is to share an answer that was asked for before it.
    const answer = authorizer.check(verdicts.isAfterChange ? { ...principal } : principal, action, topic);
    if (!(answer instanceof Promise)) return keep(answer, false);
    return answer.then(
      (isGranted) => keepUnlessChanged(isGranted, false),
      () => keepUnlessChanged(false, true),
    );
  } catch {
    return keep(false, true);
  }
}
