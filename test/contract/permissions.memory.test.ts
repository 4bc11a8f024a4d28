import { MemoryPermissions } from "../../src/broker/memory-permissions.ts";
import { FakeClock } from "../support/clock.ts";
import { permissionStoreContract } from "./permissions.ts";

permissionStoreContract({
  name: "memory",
  async start(maxUsers) {
    const clock = new FakeClock();
    return {
      store: new MemoryPermissions(clock, maxUsers),
      async pass(ms) {
        clock.advance(ms);
      },
    };
  },
});
