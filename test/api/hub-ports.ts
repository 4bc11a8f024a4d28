import type { ApiPorts } from "../../src/api/app.ts";
import { OneTimeTickets } from "../../src/auth/tickets.ts";
import { MemoryTickets } from "../../src/broker/memory-tickets.ts";
import { Backend } from "../../src/hub/backend.ts";
import { clearPermissions, setPermissions } from "../../src/hub/changed-permissions.ts";
import { Directory } from "../../src/hub/directory.ts";
import { revoke } from "../../src/hub/revocation.ts";
import { connectionStats, roomStats } from "../../src/hub/stats.ts";
import type { FakeClock } from "../support/clock.ts";
import type { HubRig } from "../support/hub.ts";

type HubPorts = Pick<ApiPorts, "tickets" | "revocation" | "permissions" | "backend" | "directory" | "stats">;

/** What the API does with a hub. */
export function hubPorts({ hub }: HubRig, clock: FakeClock): HubPorts {
  return {
    tickets: new OneTimeTickets(new MemoryTickets(clock), clock),
    revocation: { revoke: (order, actor) => revoke(hub, order, actor) },
    permissions: {
      set: (userId, change, actor) => setPermissions(hub, userId, change, actor),
      clear: (userId, actor) => clearPermissions(hub, userId, actor),
    },
    backend: new Backend(hub),
    directory: new Directory(hub),
    stats: { connections: () => connectionStats(hub), rooms: () => roomStats(hub) },
  };
}
