import type { Access, Action } from "../access.ts";
import type { GrantedAction, Principal } from "../protocol/principal.ts";
import type { Authorizer } from "../hub/permission.ts";
import { isTopic } from "../protocol/topic.ts";

/** Who decides, by rules or by a function. */
export interface Deciders {
  readonly access: Access;
  readonly authorizer: Authorizer | null;
}

/**
 * The rules' answer about a user without a connection in view; `isMember` is asked where it depends on that, and
 * `isGrantedHere` is the word of a second token. A name that is no topic
 * is forbidden like every other. Rejects when the authorizer fails, which denies.
 */
export function isPermitted(
  { access, authorizer }: Deciders,
  principal: Principal,
  action: Action,
  topic: string,
  isMember: () => boolean | Promise<boolean>,
  isGrantedHere = false,
): boolean | Promise<boolean> {
  if (!isTopic(topic)) return false;
  const decision = access.may(principal, action, topic, isGrantedHere);
  if (decision === "yes") return true;
  if (decision === "no" || (decision === "ask" && authorizer === null)) return false;
  if (decision === "members" || authorizer === null) return isMember();
  const granted: GrantedAction = action === "history" ? "read" : action;
  return authorizer.check(principal, granted, topic);
}
