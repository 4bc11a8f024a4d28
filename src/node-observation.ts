import { type Config, ConfigError } from "./config.ts";
import type { Hub } from "./hub/hub.ts";
import type { Sharing } from "./node-sharing.ts";
import { type Audit, createAudit } from "./observe/audit.ts";
import type { Clock } from "./observe/clock.ts";
import { createLog, type Log } from "./observe/log.ts";
import { createMetrics, type Metrics } from "./observe/metrics.ts";
import { createSink, type Sink } from "./observe/sink.ts";
import type { StateEntries } from "./observe/state-entries.ts";
import { CLOSES, ERRORS } from "./protocol/codes.ts";
import { clientFrames } from "./protocol/frames.ts";

/** No close code at all, and no close frame: how most connections end. */
const PEER_CLOSES = [1005, 1006];

/** What a node tells of itself: its log, its audit log, its metrics. */
export interface Observation {
  readonly log: Log;
  readonly audit: Audit;
  readonly metrics: Metrics;
  readonly sinks: readonly Sink[];
  readonly report: (error: unknown, correlationId: string) => void;
  /** What the gauges read; before it is known they are 0. */
  readonly bindGauges: (hub: Hub, sharing: Sharing) => void;
  /** The same for what the parts of the node remember. */
  readonly bindState: (read: () => StateEntries) => void;
}

/** Throws `ConfigError` when the audit file cannot be opened. */
export function observe(config: Config, clock: Clock, logTarget: number | string): Observation {
  const logSink = createSink({ target: logTarget, clock });
  const auditSink = config.auditFile === null ? logSink : createSink({ target: config.auditFile, clock });
  const { nodeId } = config;
  const log = createLog({ level: config.logLevel, nodeId, sink: logSink, clock });
  const audit = createAudit(auditSink, { nodeId, marked: config.auditFile === null }, clock);
  if (config.auditFile !== null && audit.failure !== null) {
    throw new ConfigError([{ name: "AUDIT_FILE", problem: `cannot be opened (${audit.failure})` }]);
  }
  let hub: Hub | null = null;
  let sharing: Sharing | null = null;
  let state: (() => StateEntries) | null = null;
  const metrics = createMetrics(
    {
      connections: () => hub?.connections.size ?? 0,
      users: () => hub?.users.size ?? 0,
      topics: () => hub?.rooms.size ?? 0,
      memberships: () => hub?.rooms.memberships ?? 0,
      nodes: () => sharing?.nodes.alive.size ?? 0,
      busRoundTripS: () => (sharing?.bus().roundTripMs ?? 0) / 1_000,
      commandsInFlight: () => sharing?.bus().commandsInFlight ?? 0,
      reconnects: () => sharing?.bus().reconnects ?? 0,
      busRejected: () => ({ ...sharing?.bus().rejected }),
      brokerUp: () => hub?.broker.ready ?? false,
      keysReady: () => hub?.authenticator.keysReady ?? false,
      evictedTopics: () => hub?.broker.evictedTopics ?? 0,
      droppedMessageIds: () => hub?.broker.droppedMessageIds ?? 0,
      auditErrors: () => audit.errors,
      auditLost: () => audit.lost,
      logErrors: () => logSink.errors,
      logLost: () => logSink.drops,
      state: () => state?.() ?? null,
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
    bindGauges(itsHub, itsSharing) {
      hub = itsHub;
      sharing = itsSharing;
    },
    bindState(read) {
      state = read;
    },
  };
}
