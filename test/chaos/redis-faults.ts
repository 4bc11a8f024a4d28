import type { FaultOf } from "./schedule.ts";
import type { Stage } from "./stage.ts";

/** How the faults of the Redis that nodes share, and of the way there, are done. */

export type RedisFault =
  | "kill-redis"
  | "flush-redis"
  | "suspend-redis"
  | "kill-clients"
  | "part"
  | "slow-redis"
  | "fill-redis"
  | "evict"
  | "fail-over";

const EVICT = "for _, key in ipairs(redis.call('KEYS', '*:t:*')) do redis.call('DEL', key) end";

type Rows = { readonly [K in RedisFault]: (stage: Stage, fault: FaultOf<K>) => void | Promise<void> };

export const REDIS_ROWS: Rows = {
  async "kill-redis"({ redis: { server } }, { downMs }) {
    await server.kill();
    await Bun.sleep(downMs);
    await server.start();
  },

  async "flush-redis"({ redis: { server } }) {
    await server.command("FLUSHALL");
  },

  async "suspend-redis"({ redis: { server } }, { forMs }) {
    server.pause();
    await Bun.sleep(forMs);
    server.resume();
  },

  async "kill-clients"({ redis: { server } }, { type }) {
    // On a busy machine the next one may come before the answer, and ends this connection too.
    await server.command("CLIENT", "KILL", "TYPE", type).catch(() => undefined);
  },

  async part({ redis }, { node, forMs, direction }) {
    const proxy = redis.proxyOf(node);
    proxy.blackhole(direction === undefined ? {} : { direction });
    await Bun.sleep(forMs);
    proxy.heal();
  },

  async "slow-redis"({ redis }, { forMs, delayMs, jitterMs }) {
    for (const proxy of redis.proxies) proxy.delay(delayMs, jitterMs);
    await Bun.sleep(forMs);
    for (const proxy of redis.proxies) proxy.heal();
  },

  async "fill-redis"({ redis: { server } }, { forMs, share }) {
    const used = /^used_memory:(\d+)/m.exec(String(await server.command("INFO", "memory")))?.[1];
    await server.command("CONFIG", "SET", "maxmemory", String(Math.ceil(Number(used) * share)));
    await Bun.sleep(forMs);
    await server.command("CONFIG", "SET", "maxmemory", "0");
  },

  async evict({ redis: { server } }, { everyMs, forMs }) {
    const untilMs = performance.now() + forMs;
    while (performance.now() < untilMs) {
      await server.command("EVAL", EVICT, "0");
      await Bun.sleep(everyMs);
    }
  },

  async "fail-over"({ redis }, { downMs }) {
    await redis.server.kill();
    await redis.promoted();
    await Bun.sleep(downMs);
    await redis.server.start();
  },
};
