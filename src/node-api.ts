import { type Api, createApi } from "./api/app.ts";
import type { Readiness } from "./api/health.ts";
import type { Accounts } from "./auth/accounts.ts";
import type { Authenticator } from "./auth/authenticate.ts";
import type { OriginPolicy } from "./auth/origin.ts";
import { findCredential } from "./auth/sources.ts";
import type { OneTimeTickets } from "./auth/tickets.ts";
import type { Config } from "./config.ts";
import { issuerOf } from "./credentials.ts";
import type { Addresses } from "./hub/address.ts";
import type { Nodes } from "./broker/broker.ts";
import type { Backend } from "./hub/backend.ts";
import { clearPermissions, setPermissions } from "./hub/changed-permissions.ts";
import { Directory } from "./hub/directory.ts";
import type { Everywhere } from "./hub/everywhere.ts";
import type { Hub } from "./hub/hub.ts";
import { connectionStats, roomStats } from "./hub/stats.ts";
import { Survey } from "./hub/survey.ts";
import type { Clock } from "./observe/clock.ts";
import { acceptedUntilMs } from "./protocol/principal.ts";
import type { Observation } from "./node-observation.ts";

type Observed = Pick<Observation, "metrics" | "audit" | "report">;

interface ApiParts extends Observed {
  readonly config: Config;
  readonly clock: Clock;
  readonly accounts: Accounts | null;
  readonly authenticator: Authenticator;
  readonly tickets: OneTimeTickets;
  readonly hub: Hub;
  readonly nodes: Nodes;
  readonly backend: Backend;
  readonly everywhere: Everywhere;
  readonly addresses: Addresses;
  readonly origins: OriginPolicy;
  readonly readiness: () => Readiness;
}

/** The HTTP API of a node, connected to its parts. */
export function apiOf({
  config,
  clock,
  accounts,
  addresses,
  origins,
  metrics,
  audit,
  report,
  readiness,
  ...parts
}: ApiParts): Api {
  const { authenticator, tickets, hub, nodes, backend, everywhere } = parts;
  const directory = new Directory(hub);
  const issue = accounts === null ? null : issuerOf(config, clock);
  return createApi({
    accounts:
      accounts === null || issue === null
        ? null
        : { store: accounts, canRegister: config.accounts === "on", issueToken: issue },
    callers: {
      ...{ apiKey: config.apiKey, authenticator, origins },
      access: {
        hasPermission: (bearer, name) => hub.access.hasPermission(hub.overrides.apply(bearer), name),
      },
      findCredential: (view) => findCredential(view, config, true),
      hasEnded: (principal) => clock.now() >= acceptedUntilMs(principal, config.clockToleranceS),
    },
    tickets,
    revocation: { revoke: (order, actor) => everywhere.revoke(order, actor) },
    permissions: {
      set: (userId, change, actor) => setPermissions(hub, userId, change, actor),
      clear: (userId, actor) => clearPermissions(hub, userId, actor),
    },
    addresses,
    allowedOrigins: origins.allowed,
    metrics: {
      token: config.metricsToken,
      open: !config.production,
      render: () => metrics.render(),
      contentType: metrics.contentType,
    },
    ...{ readiness, clock, backend, directory, everywhere, survey: new Survey(nodes, directory) },
    stats: { connections: () => connectionStats(hub), rooms: () => roomStats(hub) },
    maxStreamBytes: config.maxStreamBytes,
    audit: (event) => audit.record(event),
    logFailure: report,
    countError: (code) => metrics.errors.add(code),
    countCall: (route, result) => metrics.apiCalls.add(route, result),
  });
}

type Troubles = Readonly<Record<string, boolean>>;

/** What stands against new connections, and what is wrong beside it. */
export function readinessOf(against: Troubles, beside: Troubles): Readiness {
  const reasons = troublesIn(against);
  return { ready: reasons.length === 0, reasons, degraded: troublesIn(beside) };
}

function troublesIn(troubles: Troubles): string[] {
  return Object.keys(troubles).filter((trouble) => troubles[trouble] === true);
}
