import type { UnsubscribeCode } from "../protocol/server-frames.ts";
import type { Principal } from "../protocol/principal.ts";
import type { Connection } from "./connection.ts";
import { renewGrants } from "./grants.ts";
import type { Hub } from "./hub.ts";
import { isAllowed } from "./permission.ts";
import { automaticTopicsOf } from "./session.ts";

type Lost = readonly string[] | Promise<readonly string[]>;

/**
 * Gives a live connection another principal of the same user, after a new token or a change of its permissions, and takes it out of the topics
 * that it may no longer read, each with `unsubscribed`. The answer is which those were; a promise only while the authorizer is asked.
 */
export function recheck(hub: Hub, connection: Connection, principal: Principal, code: UnsubscribeCode): Lost {
  const before = connection.principal === null ? [] : automaticTopicsOf(connection.principal);
  const automatic = automaticTopicsOf(principal);
  connection.principal = principal;
  connection.verdicts = null;
  renewGrants(hub, connection, principal);
  const ended: string[] = [];
  const asked: string[] = [];
  for (const { topic } of [...connection.rooms]) {
    if (!before.includes(topic)) asked.push(topic);
    else if (!automatic.includes(topic) && lose(hub, connection, topic, code)) ended.push(topic);
  }
  const lost = loseForbidden(hub, connection, asked, code);
  return lost instanceof Promise ? lost.then((known) => [...ended, ...known]) : [...ended, ...lost];
}

/** The same for some of its topics, when only what allowed these has changed. */
export function loseForbidden(
  hub: Hub,
  connection: Connection,
  topics: readonly string[],
  code: UnsubscribeCode,
): Lost {
  const lost: string[] = [];
  const asked: Promise<void>[] = [];
  const settle = (topic: string, stays: boolean): void => {
    if (!stays && lose(hub, connection, topic, code)) lost.push(topic);
  };
  for (const topic of topics) {
    const stays = isAllowed(hub, connection, "read", topic);
    if (stays instanceof Promise) asked.push(stays.then((known) => settle(topic, known)));
    else settle(topic, stays);
  }
  return asked.length === 0 ? lost : Promise.all(asked).then(() => lost);
}

/** False when it is out of the topic already: it may have left while the authorizer was asked. */
function lose(hub: Hub, connection: Connection, topic: string, code: UnsubscribeCode): boolean {
  if (connection.state !== "open" || hub.joinedRoom(connection, topic) === undefined) return false;
  hub.removeFromTopic(connection, topic, code);
  return true;
}
