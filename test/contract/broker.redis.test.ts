import { afterAll, beforeAll, describe } from "bun:test";
import type { Deliver } from "../../src/broker/broker.ts";
import { RedisBroker } from "../../src/broker/redis.ts";
import { RedisLink } from "../../src/broker/redis/link.ts";
import { redisAddresses } from "../../src/broker/redis/address.ts";
import { systemClock } from "../../src/observe/clock.ts";
import { REDIS, TestRedis } from "../support/redis.ts";
import { age } from "../support/redis-age.ts";
import { type BrokerBounds, brokerContract } from "./broker.ts";

const STEP_MS = 540_000;

describe.skipIf(REDIS.path === null)(`over Redis${REDIS.skipReason}`, () => {
  for (const shards of [1, 2]) {
    const servers: TestRedis[] = [];
    const links: RedisLink[] = [];

    beforeAll(async () => {
      for (let n = 0; n < shards; n += 1) servers.push(await TestRedis.start());
    });

    afterAll(async () => {
      for (const server of servers) await server.stop();
    });

    const open = async (bounds: BrokerBounds, deliver: Deliver): Promise<RedisBroker> => {
      const addresses = redisAddresses(servers.map(({ url }) => url).join(",")) ?? [];
      for (const link of links) link.stop();
      links.length = 0;
      for (const address of addresses) links.push(new RedisLink({ address, clock: systemClock, report: () => {} }));
      const broker = new RedisBroker(bounds, { links: [...links], clock: systemClock, deliver, lose: () => {} });
      await Promise.all(links.map((link) => link.start()));
      return broker;
    };

    brokerContract({
      name: `redis (${shards})`,
      async start(bounds, deliver) {
        for (const server of servers) await server.command("FLUSHALL");
        const broker = await open(bounds, deliver);
        return {
          broker,
          async pass(ms) {
            for (let left = ms; left > 0; left -= STEP_MS) {
              for (const server of servers) await age(server, Math.min(left, STEP_MS));
              broker.sweep();
              await broker.position("room:settled");
            }
          },
          async restartEmpty() {
            for (const server of servers) await server.kill();
            for (const server of servers) await server.start();
            return open(bounds, deliver);
          },
        };
      },
      skip: [
        {
          reason: "the bound of a Redis is its own maxmemory, and nothing is evicted there",
          tests: ["over the node's bound gives up the history of the quietest topic, and says so"],
        },
      ],
    });
  }
});
