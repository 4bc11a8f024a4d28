import type { RedisLink } from "./link.ts";

/** The only policy under which Redis keeps what it has confirmed. */
const KEEPS_ALL = "noeviction";

/**
 * Says so once of each process of Redis that may throw keys away when its memory is full: streams begin anew then, under another epoch, and
 * revocations are gone until a node writes them back.
 */
export function warnOfEviction(link: RedisLink, warn: (fields: object, message: string) => void): void {
  let warnedOf = "";
  link.onUp(() => {
    const { server, name: redis } = link;
    if (server === null || server.runId === warnedOf) return;
    const { evictionPolicy: policy } = server;
    // A hosted one may not say.
    if (policy === KEEPS_ALL || policy === "") return;
    warnedOf = server.runId;
    warn({ redis, policy }, "maxmemory-policy of Redis is not noeviction: what nodes share may be thrown away");
  });
}
