import { settledBytes } from "../load/memory.ts";
import type { Rig, Side } from "../load/rig.ts";
import type { Finding } from "./finding.ts";
import type { RedisPlan } from "./redis-plan.ts";
import { RedisProcess } from "./redis-process.ts";
import { SharedNodes } from "./shared-nodes.ts";

const USERS_PER_ROOM = 100;
/** Below `HISTORY_SIZE`, so that all are kept. */
const MESSAGES = 50;
const QUIET_MS = 1_300;
/** All rooms are those of both nodes. */
const SHARED = { at: 0, of: 1 } as const;

interface Held {
  readonly users: number;
  readonly homeBytes: number;
  readonly awayBytes: number;
  readonly redisBytes: number;
}

/** What a user in a room takes on the node that has the connection, on one that has another member of the room, and in Redis. */
export async function memory(rig: Rig, plan: RedisPlan): Promise<Finding[]> {
  const redis = await RedisProcess.start();
  const nodes = await SharedNodes.start(rig, redis, 2);
  try {
    const [home, away] = nodes.sides;
    if (home === undefined || away === undefined) return [];
    const rooms = (plan.memoryTo - plan.memoryFrom) / USERS_PER_ROOM;
    await rig.open(away, { users: rooms, usersPerRoom: 1, inFlight: 1, share: SHARED });
    const held = async (users: number, more: number): Promise<Held> => {
      await rig.open(home, { users: more, usersPerRoom: USERS_PER_ROOM, inFlight: 0, share: SHARED });
      await nodes.quiet(QUIET_MS);
      return { users, ...(await bytesOf(redis, home, away)) };
    };
    const few = await held(plan.memoryFrom, plan.memoryFrom);
    const many = await held(plan.memoryTo, plan.memoryTo - plan.memoryFrom);
    const count = many.users - few.users;
    const beforeBytes = await redis.usedBytes();
    await nodes.generator.order<"publish">({ do: "publish", messages: MESSAGES });
    const messages = MESSAGES * rooms;
    const messageBytes = ((await redis.usedBytes()) - beforeBytes) / messages;
    const rounds = { few, many, messages, messageBytes };
    return [
      findingOf("a user in a room of 100: its own node", (many.homeBytes - few.homeBytes) / count, rounds),
      findingOf("the same: another node with a member there", (many.awayBytes - few.awayBytes) / count, rounds),
      findingOf("the same: Redis", (many.redisBytes - few.redisBytes) / count, rounds),
      findingOf("a message of 96 bytes with an id: Redis", messageBytes, rounds),
    ];
  } finally {
    await nodes.stop();
    await redis.stop();
  }
}

async function bytesOf(redis: RedisProcess, home: Side, away: Side): Promise<Omit<Held, "users">> {
  return {
    homeBytes: await settledBytes(home.server),
    awayBytes: await settledBytes(away.server),
    redisBytes: await redis.usedBytes(),
  };
}

function findingOf(what: string, bytes: number, rounds: unknown): Finding {
  return {
    what: `memory of ${what}`,
    overRedis: `${Math.round(bytes)} B`,
    inMemory: "",
    counted: null,
    target: null,
    targetText: "",
    cpu: "",
    rounds,
  };
}
