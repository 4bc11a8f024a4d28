import { afterAll, beforeAll, describe } from "bun:test";
import { REDIS, TestRedis } from "../support/redis.ts";
import { RedisNodesRig } from "../support/redis-nodes.ts";
import { nodesContract } from "./nodes.ts";

describe.skipIf(REDIS.path === null)(`over Redis${REDIS.skipReason}`, () => {
  let redis: TestRedis;
  let rig: RedisNodesRig;

  beforeAll(async () => {
    redis = await TestRedis.start();
    rig = new RedisNodesRig(redis);
  });

  afterAll(() => redis.stop());

  nodesContract({
    name: "Redis",
    isAlone: false,
    start: (nodeId, setUp) => rig.start(nodeId, setUp),
    release: () => rig.stop(),
  });
});
