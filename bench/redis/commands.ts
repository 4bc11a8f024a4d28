import type { Rig } from "../load/rig.ts";
import type { Finding } from "./finding.ts";
import type { RedisPlan } from "./redis-plan.ts";
import { commandsPer, type CommandsPer, RedisProcess } from "./redis-process.ts";
import { SharedNodes } from "./shared-nodes.ts";

const ROOMS = 10;
const QUIET_MS = 1_300;

/** What Redis has to do for a message, a connection and a join, by its own count. */
export async function commands(rig: Rig, plan: RedisPlan): Promise<Finding[]> {
  const redis = await RedisProcess.start();
  const nodes = await SharedNodes.start(rig, redis, 1);
  try {
    const [side] = nodes.sides;
    if (side === undefined) return [];
    const { counted } = plan;
    const count = async (times: number, work: () => Promise<unknown>): Promise<CommandsPer> => {
      const before = await redis.counts();
      await work();
      return commandsPer(before, await redis.counts(), times);
    };
    const connecting = await count(counted, () => rig.open(side, { users: counted, usersPerRoom: 0, inFlight: 0 }));
    await nodes.generator.order<"close">({ do: "close" });
    const first = await count(counted, async () => {
      await rig.open(side, { users: counted, usersPerRoom: 1, inFlight: 0 });
      await nodes.quiet(QUIET_MS);
    });
    await nodes.generator.order<"close">({ do: "close" });
    const later = await count(counted, async () => {
      await rig.open(side, { users: counted, usersPerRoom: counted / ROOMS, inFlight: 1 });
      await nodes.quiet(QUIET_MS);
    });
    const messages = counted / ROOMS;
    const publishing = await count(messages * ROOMS, () =>
      nodes.generator.order<"publish">({ do: "publish", messages }),
    );
    return [
      findingOf("a message with an id, to a room with history", publishing),
      findingOf("a connection", connecting),
      findingOf("a connection that joins a room that is new to the node", first),
      findingOf(`a connection that joins a room of ${counted / ROOMS} others`, later),
    ];
  } finally {
    await nodes.stop();
    await redis.stop();
  }
}

function findingOf(what: string, per: CommandsPer): Finding {
  return {
    what: `commands of ${what}`,
    overRedis: `${per.sent.toFixed(1)} sent, ${per.all.toFixed(1)} with those in scripts`,
    inMemory: "",
    counted: null,
    target: null,
    targetText: "",
    cpu: "",
    rounds: per,
  };
}
