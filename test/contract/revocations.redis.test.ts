import { afterAll, beforeAll, describe } from "bun:test";
import { RedisRevocations } from "../../src/broker/redis-revocations.ts";
import { FakeClock } from "../support/clock.ts";
import { REDIS } from "../support/redis.ts";
import { RedisRig } from "../support/redis-rig.ts";
import { revocationStoreContract } from "./revocations.ts";

describe.skipIf(REDIS.path === null)(`revocations in Redis${REDIS.skipReason}`, () => {
  let rig: RedisRig;

  beforeAll(async () => {
    rig = await RedisRig.start();
  });
  afterAll(() => rig.stop());

  revocationStoreContract({
    name: "redis",
    async start(maxRevocations) {
      await rig.clear();
      // The clock of the node goes with that of Redis, which looks at the ends as well.
      const clock = new FakeClock(Date.now());
      const link = rig.link();
      const ports = { link, clock, nodeId: "a", onRevoked: () => undefined, report: () => undefined };
      const store = new RedisRevocations(ports, maxRevocations);
      await link.start();
      await store.start();
      return {
        store,
        now: () => clock.now(),
        async pass(ms) {
          clock.advance(ms);
          await rig.ageRegister("revocations", ms);
          store.sweep();
        },
      };
    },
  });
});
