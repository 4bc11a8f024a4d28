import type { UnsubscribeCode } from "../protocol/server-frames.ts";
import type { Principal } from "../protocol/principal.ts";
import type { Connection } from "./connection.ts";
import { renewGrants } from "./grants.ts";
import type { Hub } from "./hub.ts";
import { removeFromTopic } from "./membership.ts";
import { isAllowed } from "./permission.ts";
import { automaticTopicsOf } from "./session.ts";
import { Verdicts } from "./verdicts.ts";

type Lost = readonly string[] | Promise<readonly string[]>;

/** Questions about one connection that are with the authorizer at once, so that a few of them do not fill its queue. */
const LANES = 8;

/**
 * Gives a live connection another principal of the same user, after a new token or a change of its permissions, and takes it out of the topics
 * that it may no longer read, each with `unsubscribed`. The answer is which those were; a promise only while the authorizer is asked.
 */
export function recheck(hub: Hub, connection: Connection, principal: Principal, code: UnsubscribeCode): Lost {
  const before = connection.principal === null ? [] : automaticTopicsOf(connection.principal);
  const automatic = automaticTopicsOf(principal);
  change(hub, connection, principal);
  const ended: string[] = [];
  const asked: string[] = [];
  for (const { topic } of [...connection.rooms]) {
    if (!before.includes(topic)) asked.push(topic);
    else if (!automatic.includes(topic) && lose(hub, connection, topic, code)) ended.push(topic);
  }
  const lost = loseForbidden(hub, connection, asked, code);
  return lost instanceof Promise ? lost.then((known) => [...ended, ...known]) : [...ended, ...lost];
}

/** From now on it may do what this principal may: what was asked about the one before says nothing any more. */
export function change(hub: Hub, connection: Connection, principal: Principal): void {
  connection.principal = principal;
  connection.verdicts = hub.authorizer === null ? null : new Verdicts(true);
  renewGrants(hub, connection);
}

/** The same for some of its topics, when only what allowed these has changed. */
export function loseForbidden(
  hub: Hub,
  connection: Connection,
  topics: readonly string[],
  code: UnsubscribeCode,
): Lost {
  const lost: string[] = [];
  let looked = 0;
  const settle = (topic: string, stays: boolean): void => {
    if (!stays && lose(hub, connection, topic, code)) lost.push(topic);
  };
  const look = (): void | Promise<void> => {
    while (connection.state === "open") {
      const topic = topics[looked];
      if (topic === undefined) return;
      looked += 1;
      const stays = isAllowed(hub, connection, "read", topic);
      if (stays instanceof Promise) return stays.then((known) => settle(topic, known)).then(look);
      settle(topic, stays);
    }
  };
  const asked: Promise<void>[] = [];
  for (let lane = 0; lane < LANES; lane += 1) {
    const looking = look();
    if (looking instanceof Promise) asked.push(looking);
  }
  return asked.length === 0 ? lost : Promise.all(asked).then(() => lost);
}

/** False when it is out of the topic already: it may have left while the authorizer was asked. */
function lose(hub: Hub, connection: Connection, topic: string, code: UnsubscribeCode): boolean {
  return connection.state === "open" && removeFromTopic(hub, connection, topic, code);
}
