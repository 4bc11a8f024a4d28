import { compileAccess, DEFAULT_ACCESS } from "../../src/access.ts";
import type { ApiPorts } from "../../src/api/app.ts";
import type { CallerPorts } from "../../src/api/callers.ts";
import { createOriginPolicy } from "../../src/auth/origin.ts";
import { findCredential } from "../../src/auth/sources.ts";
import { OneTimeTickets } from "../../src/auth/tickets.ts";
import { MemoryNodes } from "../../src/broker/memory-nodes.ts";
import { MemoryTickets } from "../../src/broker/memory-tickets.ts";
import { Addresses } from "../../src/hub/address.ts";
import { Backend } from "../../src/hub/backend.ts";
import { clearPermissions, setPermissions } from "../../src/hub/changed-permissions.ts";
import { Directory } from "../../src/hub/directory.ts";
import { Everywhere } from "../../src/hub/everywhere.ts";
import { connectionStats, roomStats } from "../../src/hub/stats.ts";
import { Survey } from "../../src/hub/survey.ts";
import { authenticatorWith } from "../auth/tokens.ts";
import type { FakeClock } from "../support/clock.ts";
import type { HubRig } from "../support/hub.ts";

/** The real parts behind the API, as far as a test does not replace them. */

const PROXY = "10.0.0.1";

export function callerPorts(
  clock: FakeClock,
  { apiKey = null, allowedOrigins = [] }: { apiKey?: string | null; allowedOrigins?: readonly string[] } = {},
): CallerPorts {
  return {
    apiKey,
    authenticator: authenticatorWith({}, clock),
    access: compileAccess(DEFAULT_ACCESS),
    origins: createOriginPolicy(allowedOrigins),
    findCredential: (view) => findCredential(view, { cookieName: "access_token", tokenInQuery: true }, true),
    hasEnded: () => false,
  };
}

/** Behind a proxy at 10.0.0.1. */
export function addressesBehindProxy(): Addresses {
  return new Addresses({ trustedProxies: [PROXY], forwardedHeader: "x-forwarded-for" }, () => {});
}

/** Nobody listens to what the API tells. */
export function defaultPorts({ hub }: HubRig, clock: FakeClock): ApiPorts {
  const backend = new Backend(hub);
  const directory = new Directory(hub);
  const nodes = new MemoryNodes("node-1");
  const everywhere = new Everywhere(hub, nodes, backend);
  return {
    accounts: null,
    callers: callerPorts(clock),
    tickets: new OneTimeTickets(new MemoryTickets(clock), clock),
    revocation: { revoke: (order, actor) => everywhere.revoke(order, actor) },
    permissions: {
      set: (userId, change, actor) => setPermissions(hub, userId, change, actor),
      clear: (userId, actor) => clearPermissions(hub, userId, actor),
    },
    addresses: addressesBehindProxy(),
    allowedOrigins: [],
    ...{ backend, directory, everywhere, survey: new Survey(nodes, directory) },
    maxStreamBytes: 1_048_576,
    metrics: { token: null, open: true, render: async () => "up 1\n", contentType: "text/plain; version=0.0.4" },
    readiness: () => ({ ready: true, reasons: [], degraded: [] }),
    stats: { connections: () => connectionStats(hub), rooms: () => roomStats(hub) },
    clock,
    audit: () => undefined,
    logFailure: () => undefined,
    countError: () => undefined,
    countCall: () => undefined,
  };
}
