import { type User, userOf } from "../auth/principal-input.ts";
import type { Authorizer } from "../hub/permission.ts";
import type { Clock } from "../observe/clock.ts";
import { within } from "../observe/deadline.ts";
import { isThenable } from "../observe/thenable.ts";
import type { GrantedAction, Principal } from "../protocol/principal.ts";

/**
 * Whether a user may read (join), write (publish) or see the presence of a topic. It alone decides, in place of the rules; answers are
 * kept for 60 s per connection. Only `true` allows: a throw, a rejection, and no answer within 2 s deny, and are logged.
 */
export type PermissionChecker = (user: User, topic: string, action: GrantedAction) => boolean | Promise<boolean>;

interface CheckerPorts {
  readonly clock: Clock;
  readonly report: (error: unknown, correlationId: string) => void;
}

const TIMEOUT_MS = 2_000;

/** A function of the application as the authorizer of a node. */
export function authorizerOf(check: PermissionChecker, { clock, report }: CheckerPorts): Authorizer {
  const fail = (error: unknown): never => {
    report(error, crypto.randomUUID());
    throw error;
  };
  return {
    check(principal: Principal, action: GrantedAction, topic: string): boolean | Promise<boolean> {
      try {
        const answer: unknown = check(userOf(principal), topic, action);
        if (!isThenable(answer)) return answer === true;
        return within(Promise.resolve(answer), TIMEOUT_MS, clock).then((known) => known === true, fail);
      } catch (error) {
        report(error, crypto.randomUUID());
        return Promise.reject(error);
      }
    },
  };
}
