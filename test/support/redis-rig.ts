import { redisAddresses } from "../../src/broker/redis/address.ts";
import { RedisLink } from "../../src/broker/redis/link.ts";
import { systemClock } from "../../src/observe/clock.ts";
import { TestRedis } from "./redis.ts";

const PREFIX = "test:";

/** Makes every end in the lists of a register come earlier. The node's clock is moved by the same. */
const AGE_REGISTER = `
for _, key in ipairs(KEYS) do
  for _, field in ipairs(redis.call('ZRANGE', key, 0, -1)) do redis.call('ZINCRBY', key, -ARGV[1], field) end
end`;

const AGE_TICKETS = `
for _, key in ipairs(redis.call('KEYS', '*tickets*')) do
  if redis.call('TYPE', key).ok == 'zset' then
    for _, digest in ipairs(redis.call('ZRANGE', key, 0, -1)) do redis.call('ZINCRBY', key, -ARGV[1], digest) end
  end
  redis.call('PEXPIRE', key, redis.call('PTTL', key) - ARGV[1])
end`;

/** A Redis with links to it, as several nodes have them. */
export class RedisRig {
  readonly redis: TestRedis;
  readonly #links: RedisLink[] = [];

  private constructor(redis: TestRedis) {
    this.redis = redis;
  }

  static async start(options?: readonly string[]): Promise<RedisRig> {
    return new RedisRig(await TestRedis.start(options));
  }

  /** Not started yet. */
  link(): RedisLink {
    const [address] = redisAddresses(`${this.redis.url}?prefix=${PREFIX}`) ?? [];
    if (address === undefined) throw new Error("no address");
    const link = new RedisLink({ address, clock: systemClock, report: () => undefined });
    this.#links.push(link);
    return link;
  }

  /** Ends the nodes, and all that they shared: those that go on would write it back. */
  async clear(): Promise<void> {
    for (const link of this.#links.splice(0)) link.stop();
    await this.redis.command("FLUSHALL");
  }

  /** Lets time pass for a register: real time is not waited for. */
  async ageRegister(name: string, ms: number): Promise<void> {
    await this.redis.command("EVAL", AGE_REGISTER, "2", `${PREFIX}${name}:live`, `${PREFIX}${name}:gone`, String(ms));
  }

  async ageTickets(ms: number): Promise<void> {
    await this.redis.command("EVAL", AGE_TICKETS, "0", String(ms));
  }

  async keys(): Promise<string[]> {
    const keys: unknown = await this.redis.command("KEYS", "*");
    return Array.isArray(keys) ? keys.map(String).toSorted() : [];
  }

  async stop(): Promise<void> {
    for (const link of this.#links) link.stop();
    await this.redis.stop();
  }
}
