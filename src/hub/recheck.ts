import type { UnsubscribeCode } from "../protocol/frames.ts";
import type { Principal } from "../protocol/principal.ts";
import type { Connection } from "./connection.ts";
import type { Hub } from "./hub.ts";
import { isAllowed } from "./permission.ts";
import { automaticTopicsOf } from "./session.ts";

/** Questions about one connection that are with the authorizer at once, so that a few of them do not fill its queue. */
const LANES = 8;

/**
 * Gives a live connection another principal of the same user, after a new token or a change of its permissions, and takes it out of the topics
 * that it may no longer read, each with `unsubscribed`. The answer is which those were; a promise only while the authorizer is asked.
 */
export function recheck(
  hub: Hub,
  connection: Connection,
  principal: Principal,
  code: UnsubscribeCode,
): readonly string[] | Promise<readonly string[]> {
  const before = connection.principal === null ? [] : automaticTopicsOf(connection.principal);
  const automatic = automaticTopicsOf(principal);
  // A copy where answers may be on their way: what was asked before this change is not about the principal of now, even if it is the same.
  const current = hub.authorizer === null ? principal : { ...principal };
  connection.principal = current;
  connection.verdicts = null;
  const lost: string[] = [];
  const rooms = [...connection.rooms];
  let looked = 0;
  // A later change of its permissions looks at all of them again.
  const isOver = (): boolean => connection.principal !== current || connection.state === "gone";
  const judge = (topic: string, stays: boolean): void => {
    if (!stays && !isOver() && hub.removeFromTopic(connection, topic, code)) lost.push(topic);
  };
  const look = (): void | Promise<void> => {
    for (;;) {
      const topic = rooms[looked]?.topic;
      if (topic === undefined || isOver()) return;
      looked += 1;
      const stays = before.includes(topic) ? automatic.includes(topic) : isAllowed(hub, connection, "read", topic);
      if (!(stays instanceof Promise)) judge(topic, stays);
      else return stays.then((known) => judge(topic, known)).then(look);
    }
  };
  const asked: Promise<void>[] = [];
  for (let lane = 0; lane < LANES; lane += 1) {
    const looking = look();
    if (looking instanceof Promise) asked.push(looking);
  }
  return asked.length === 0 ? lost : Promise.all(asked).then(() => lost);
}
