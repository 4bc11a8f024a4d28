import type { UnsubscribeCode } from "../protocol/server-frames.ts";
import type { Principal } from "../protocol/principal.ts";
import type { Connection } from "./connection.ts";
import type { Hub } from "./hub.ts";
import { isAllowed } from "./permission.ts";
import { automaticTopicsOf } from "./session.ts";

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
  connection.principal = principal;
  connection.verdicts = null;
  const lost: string[] = [];
  const asked: Promise<void>[] = [];
  const lose = (topic: string): void => {
    lost.push(topic);
    hub.removeFromTopic(connection, topic, code);
  };
  for (const { topic } of [...connection.rooms]) {
    const stays = before.includes(topic) ? automatic.includes(topic) : isAllowed(hub, connection, "read", topic);
    if (stays instanceof Promise) asked.push(stays.then((known) => (known ? undefined : lose(topic))));
    else if (!stays) lose(topic);
  }
  return asked.length === 0 ? lost : Promise.all(asked).then(() => lost);
}
