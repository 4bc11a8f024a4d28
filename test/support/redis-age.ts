import * as v from "valibot";
import type { TestRedis } from "./redis.ts";

const Keys = v.array(v.string());
const Entries = v.array(v.tuple([v.string(), v.array(v.string())]));

/** Makes everything in a Redis so much older as if the time had passed: what lives by a TTL, and messages by the time that they carry. */
export async function age(redis: TestRedis, ms: number): Promise<void> {
  for (const key of v.parse(Keys, await redis.command("KEYS", "*"))) {
    const type = await redis.command("TYPE", key);
    if (type === "stream") await ageStream(redis, key, ms);
    for (const field of type === "hash" ? ["renewed", "touched"] : []) {
      if ((await redis.command("HEXISTS", key, field)) === 1) await redis.command("HINCRBY", key, field, String(-ms));
    }
    const left = Number(await redis.command("PTTL", key));
    if (left < 0) continue;
    if (left <= ms) await redis.command("DEL", key);
    else await redis.command("PEXPIRE", key, String(left - ms));
  }
}

async function ageStream(redis: TestRedis, key: string, ms: number): Promise<void> {
  const left = String(await redis.command("PTTL", key));
  const entries = v.parse(Entries, await redis.command("XRANGE", key, "-", "+"));
  await redis.command("DEL", key);
  for (const [id, fields] of entries) {
    const older = fields.map((value, index) => (fields[index - 1] === "t" ? String(Number(value) - ms) : value));
    await redis.command("XADD", key, id, ...older);
  }
  if (entries.length > 0) await redis.command("PEXPIRE", key, left);
}
