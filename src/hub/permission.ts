import type { Decision } from "../access.ts";
import type { GrantedAction, Principal } from "../protocol/principal.ts";
import type { Connection } from "./connection.ts";
import type { Hub } from "./hub.ts";
import { Verdicts } from "./verdicts.ts";

/** What a connection asks to do with a topic. */
export type Request = GrantedAction | "history";

/**
 * Asks somebody outside what the rules leave open: an HTTP hook, or a function of the application. A rejection, and an answer that takes
 * too long, denies.
 */
export interface Authorizer {
  check(principal: Principal, action: GrantedAction, topic: string): boolean | Promise<boolean>;
}

/**
 * Whether a connection may do it: its own grants, the rules, and where these say so membership or the authorizer, whose answers are
 * kept for a while. A promise only while the authorizer is asked.
 */
export function isAllowed(
  hub: Hub,
  connection: Connection,
  action: Request,
  topic: string,
): boolean | Promise<boolean> {
  const { principal, grants } = connection;
  if (principal === null) return false;
  if (grants !== null && grants.has(topic, grantedAction(action), hub.clock.now())) return true;
  const startedMs = hub.clock.monotonic();
  const decision: Decision = hub.access.may(principal, action, topic);
  hub.metrics.permissionCheck.observe((hub.clock.monotonic() - startedMs) / 1_000);
  if (decision === "yes") return true;
  if (decision === "no") return false;
  // Who is in a topic may read it, and sees who else is and what was said.
  const isMember = hub.joinedRoom(connection, topic) !== undefined;
  if (decision === "members" || (isMember && (action === "presence" || action === "history"))) return isMember;
  return ask(hub, connection, principal, action, topic);
}

/** What was said is for whoever may read. */
function grantedAction(action: Request): GrantedAction {
  return action === "history" ? "read" : action;
}

function ask(
  hub: Hub,
  connection: Connection,
  principal: Principal,
  request: Request,
  topic: string,
): boolean | Promise<boolean> {
  const { authorizer } = hub;
  if (authorizer === null) return false;
  const action = grantedAction(request);
  const startedMs = hub.clock.monotonic();
  const known = connection.verdicts?.get(action, topic, startedMs) ?? null;
  if (known !== null) return known;
  const settle = (isGranted: boolean): boolean | Promise<boolean> => {
    const nowMs = hub.clock.monotonic();
    hub.metrics.permissionCheck.observe((nowMs - startedMs) / 1_000);
    // The user's permissions may have changed while it was asked: then the answer is about somebody else.
    if (connection.principal !== principal) return isAllowed(hub, connection, request, topic);
    connection.verdicts ??= new Verdicts();
    connection.verdicts.set(action, topic, isGranted, nowMs);
    return isGranted;
  };
  const answer = authorizer.check(principal, action, topic);
  if (!(answer instanceof Promise)) return settle(answer);
  return answer.then(settle, () => settle(false));
}
