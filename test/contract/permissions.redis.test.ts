import { afterAll, beforeAll, describe } from "bun:test";
import { RedisPermissions } from "../../src/broker/redis-permissions.ts";
import { FakeClock } from "../support/clock.ts";
import { REDIS } from "../support/redis.ts";
import { RedisRig } from "../support/redis-rig.ts";
import { permissionStoreContract } from "./permissions.ts";

describe.skipIf(REDIS.path === null)(`changed permissions in Redis${REDIS.skipReason}`, () => {
  let rig: RedisRig;

  beforeAll(async () => {
    rig = await RedisRig.start();
  });
  afterAll(() => rig.stop());

  permissionStoreContract({
    name: "redis",
    async start(maxUsers) {
      await rig.clear();
      // The clock of the node goes with that of Redis, which looks at the ends as well.
      const clock = new FakeClock(Date.now());
      const link = rig.link();
      const ports = { link, clock, nodeId: "a", onChanged: () => undefined, report: () => undefined };
      const store = new RedisPermissions(ports, maxUsers);
      await link.start();
      await store.start();
      return {
        store,
        async pass(ms) {
          clock.advance(ms);
          await rig.ageRegister("permissions", ms);
        },
      };
    },
  });
});
