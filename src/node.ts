import { compileAccess } from "./access.ts";
import { type Api, createApi } from "./api/app.ts";
import { errorResponse } from "./api/errors.ts";
import type { Readiness } from "./api/health.ts";
import type { Accounts } from "./auth/accounts.ts";
import type { Authenticator } from "./auth/authenticate.ts";
import { hookOf } from "./auth/authorizer-hook.ts";
import { createOriginPolicy, type OriginPolicy } from "./auth/origin.ts";
import { findCredential } from "./auth/sources.ts";
import { OneTimeTickets } from "./auth/tickets.ts";
import { MemoryBroker } from "./broker/memory.ts";
import { MemoryRevocations } from "./broker/memory-revocations.ts";
import { MemoryTickets } from "./broker/memory-tickets.ts";
import { type Config, ConfigError } from "./config.ts";
import { authenticatorOf, issuerOf, openStore } from "./credentials.ts";
import { createBunEngine } from "./engine/bun.ts";
import { handlerOf } from "./engine-handler.ts";
import type { Engine } from "./engine/engine.ts";
import { Addresses } from "./hub/address.ts";
import { Backend } from "./hub/backend.ts";
import { clearPermissions, setPermissions } from "./hub/changed-permissions.ts";
import { Directory } from "./hub/directory.ts";
import { Drain } from "./hub/drain.ts";
import { Handshakes } from "./hub/handshakes.ts";
import { tickMs } from "./hub/heartbeat.ts";
import { Hub } from "./hub/hub.ts";
import { revoke } from "./hub/revocation.ts";
import { connectionStats, roomStats } from "./hub/stats.ts";
import { sweepUnsent, UNSENT_SWEEP_MS } from "./hub/sweep.ts";
import { isOverloaded } from "./hub/overload.ts";
import { type Audit, createAudit } from "./observe/audit.ts";
import { type Clock, systemClock } from "./observe/clock.ts";
import { createLog, type Log } from "./observe/log.ts";
import { connectionsFor, descriptorLimit } from "./observe/descriptors.ts";
import { createLoopDelay } from "./observe/loop-delay.ts";
import { createMetrics, type Metrics } from "./observe/metrics.ts";
import { createSink, type Sink } from "./observe/sink.ts";
import { CLOSES, ERRORS, ProtocolError } from "./protocol/codes.ts";
import { clientFrames } from "./protocol/frames.ts";
import { BY_ITSELF, type NodeParts } from "./node-parts.ts";
import { startLineOf } from "./start-line.ts";

/** The composition root: builds the parts of one node from its configuration and connects them. */

export interface RunningNode {
  readonly address: { readonly url: string; readonly port: number };
  /** The one line of the start, for people. */
  readonly summary: string;
  readonly hub: Hub;
  readonly log: Log;
  /** Ends every connection in the steps of a planned restart, over `graceMs` or `drainMs`; a second call joins the first. */
  drain(graceMs?: number): Promise<void>;
  /** Stops listening and writes what is left of the logs. */
  stop(): Promise<void>;
}

const UNNAMED_PROXY =
  "a peer sends the forwarded header but is not in TRUSTED_PROXIES: its clients have no per-address limits";
const FLUSH_MS = 2_000;
const HTTP_BODY_BYTES = 65_536;
const OVERLOADED_RETRY_MS = 2_000;
const STDOUT = 1;
/** No close code at all, and no close frame: how most connections end. */
const PEER_CLOSES = [1005, 1006];

export async function startNode(config: Config, parts: NodeParts = {}): Promise<RunningNode> {
  const clock = parts.clock ?? systemClock;
  const { log, audit, metrics, sinks, report, bindGauges } = observe(config, clock, parts.logTarget ?? STDOUT);
  const origins = configured(() => createOriginPolicy(config.allowedOrigins));
  const addresses = configured(() => new Addresses(config, (peer) => log.warn({ peer }, UNNAMED_PROXY)));
  const accounts = config.accounts === "off" ? null : await openStore(config, clock);
  const embedding = parts.application?.({ config, clock, report }) ?? BY_ITSELF;
  const revocations = new MemoryRevocations(clock);
  const tickets = new OneTimeTickets(new MemoryTickets(clock), clock);
  const standing = { accounts, revocations, tickets };
  const authenticator = embedding.authenticator(configured(() => authenticatorOf(config, clock, standing)));

  const hasAuthorizer = embedding.authorizer !== null || config.authorizerUrl !== null;
  const access = compileAccess({ ...config.access, hasAuthorizer });
  const hook = embedding.authorizer === null ? hookOf(config, { clock, access, metrics, log }) : null;

  const broker = new MemoryBroker(config, clock, (topic, message) => hub.deliver(topic, message));
  const hub: Hub = new Hub(config, {
    engine: { publish: (topic, frame) => engine.publish(topic, frame) },
    later: (run) => void setImmediate(run),
    authorizer: embedding.authorizer ?? hook,
    application: embedding.application,
    ...{ access, broker, authenticator, revocations, audit, metrics, clock, report },
  });
  bindGauges(hub);
  const drain = new Drain(config, hub, clock, (fields, message) => log.info(fields, message));
  const loopDelay = createLoopDelay();
  let overloaded = false;
  let hasKeys = true;
  let auditFailure: string | null = null;

  const maxConnections = config.maxConnections ?? connectionsFor(descriptorLimit());
  const handshakes = new Handshakes({ ...config, maxConnections }, hub, {
    ...{ addresses, origins, authenticator, clock },
    findCredential: (view, readsCookies) => findCredential(view, config, readsCookies),
    refusal: (error) => errorResponse(error, clock.now()),
    access: (record) => log.access(record),
    warn: (fields, message) => log.warn(fields, message),
    admission() {
      if (drain.isRefusing) return new ProtocolError("DRAINING", { retryAfterMs: drain.retryAfterMs() });
      return overloaded ? new ProtocolError("OVERLOADED", { retryAfterMs: OVERLOADED_RETRY_MS }) : null;
    },
  });
  const api = apiOf({
    ...{ config, clock, accounts, authenticator, tickets, addresses, origins, metrics, audit, report, hub },
    readiness: () =>
      readinessOf(
        { draining: !drain.isReady, broker: !broker.ready, keys: !authenticator.keysReady },
        { audit: audit.failure !== null },
      ),
  });
  const engine: Engine = createBunEngine(
    {
      host: config.host,
      port: config.port,
      unixSocket: config.unixSocket,
      maxMessageBytes: config.maxMessageBytes,
      // A net under the hub's own sweep, which closes with a code that says why.
      maxUnsentBytes: 2 * config.maxUnsentBytes,
      // A net under the API's own bounds, which answer in JSON.
      maxBodyBytes: config.maxStreamBytes + HTTP_BODY_BYTES,
    },
    handlerOf(hub, handshakes, api, report),
  );

  const release = async (): Promise<void> => {
    loopDelay.stop();
    await engine.stop();
    hook?.stop();
    await broker.stop();
    accounts?.close();
    await audit.flush(FLUSH_MS);
    for (const sink of sinks) await sink.close(FLUSH_MS);
  };
  const address = await engine.listen().catch(async (error: unknown) => {
    await release();
    throw error;
  });
  let sinceSecondMs = clock.monotonic();
  const ticking = setInterval(() => {
    hub.tick();
    if (clock.monotonic() - sinceSecondMs < 1_000) return;
    sinceSecondMs = clock.monotonic();
    handshakes.sweep();
    api.sweep();
    loopDelay.sample();
    metrics.eventLoopDelay.observe(loopDelay.p99Ms() / 1_000);
    const was = { overloaded, hasKeys, auditFailure };
    overloaded = isOverloaded(overloaded, loopDelay.p99Ms(), config.overloadDelayMs);
    hasKeys = authenticator.keysReady;
    auditFailure = audit.failure;
    if (overloaded !== was.overloaded) log.warn({ overloaded, p99Ms: loopDelay.p99Ms() }, "event loop delay");
    if (hasKeys !== was.hasKeys) log.warn({ hasKeys }, "keys to verify tokens with");
    if (auditFailure !== was.auditFailure) log.warn({ auditFailure, lost: audit.lost }, "audit log");
  }, tickMs(config));
  const watching = setInterval(() => sweepUnsent(hub), UNSENT_SWEEP_MS);

  return {
    ...{ address, hub, log },
    summary: startLineOf(config, address.url, engine.name, broker.name),
    drain: (graceMs) => drain.start(graceMs),
    async stop() {
      clearInterval(ticking);
      clearInterval(watching);
      await release();
    },
  };
}

interface Observation {
  readonly log: Log;
  readonly audit: Audit;
  readonly metrics: Metrics;
  readonly sinks: readonly Sink[];
  readonly report: (error: unknown, correlationId: string) => void;
  /** The hub that the gauges read; before it is known they are 0. */
  readonly bindGauges: (hub: Hub) => void;
}

function observe(config: Config, clock: Clock, logTarget: number | string): Observation {
  const logSink = createSink({ target: logTarget, clock });
  const auditSink = config.auditFile === null ? logSink : createSink({ target: config.auditFile, clock });
  const { nodeId } = config;
  const log = createLog({ level: config.logLevel, nodeId, sink: logSink, clock });
  const audit = createAudit(auditSink, { nodeId, marked: config.auditFile === null }, clock);
  if (config.auditFile !== null && audit.failure !== null) {
    throw new ConfigError([{ name: "AUDIT_FILE", problem: `cannot be opened (${audit.failure})` }]);
  }
  let hub: Hub | null = null;
  const metrics = createMetrics(
    {
      connections: () => hub?.connections.size ?? 0,
      users: () => hub?.users.size ?? 0,
      topics: () => hub?.rooms.size ?? 0,
      memberships: () => hub?.rooms.memberships ?? 0,
      brokerUp: () => hub?.broker.ready ?? false,
      keysReady: () => hub?.authenticator.keysReady ?? false,
      evictedTopics: () => hub?.broker.evictedTopics ?? 0,
      droppedMessageIds: () => hub?.broker.droppedMessageIds ?? 0,
      auditErrors: () => audit.errors,
      auditLost: () => audit.lost,
      logErrors: () => logSink.errors,
      logLost: () => logSink.drops,
    },
    {
      codes: Object.keys(ERRORS),
      closeCodes: [...Object.keys(CLOSES).map(Number), ...PEER_CLOSES],
      frameTypes: Object.keys(clientFrames),
    },
  );
  return {
    ...{ log, audit, metrics },
    sinks: logSink === auditSink ? [logSink] : [auditSink, logSink],
    report(error, correlationId) {
      metrics.counters.handlerFailures += 1;
      log.error({ error, correlationId }, "unexpected failure");
    },
    bindGauges(bound) {
      hub = bound;
    },
  };
}

/** What a part finds wrong with its settings stops the start like any other problem of the configuration. */
export function configured<T>(build: () => T): T {
  try {
    return build();
  } catch (error) {
    const [, name, problem] = /^([A-Z][A-Z_]+):? (.+)$/.exec(error instanceof Error ? error.message : "") ?? [];
    if (name === undefined || problem === undefined) throw error;
    throw new ConfigError([{ name, problem }]);
  }
}

interface ApiParts {
  readonly config: Config;
  readonly clock: Clock;
  readonly accounts: Accounts | null;
  readonly authenticator: Authenticator;
  readonly tickets: OneTimeTickets;
  readonly hub: Hub;
  readonly addresses: Addresses;
  readonly origins: OriginPolicy;
  readonly metrics: Metrics;
  readonly audit: Audit;
  readonly report: Observation["report"];
  readonly readiness: () => Readiness;
}

function apiOf({
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
  const { authenticator, tickets, hub } = parts;
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
    },
    tickets,
    revocation: { revoke: (order, actor) => revoke(hub, order, actor) },
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
    ...{ readiness, clock, backend: new Backend(hub), directory: new Directory(hub) },
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
function readinessOf(against: Troubles, beside: Troubles): Readiness {
  const reasons = troublesIn(against);
  return { ready: reasons.length === 0, reasons, degraded: troublesIn(beside) };
}

function troublesIn(troubles: Troubles): string[] {
  return Object.keys(troubles).filter((trouble) => troubles[trouble] === true);
}
