import { Counter, Gauge, Registry } from "prom-client";
import { CallCounter } from "./call-counter.ts";
import { Histogram, registerHistogram } from "./histogram.ts";
import { LabelCounter } from "./label-counter.ts";
import { registerProcessMetrics } from "./process-metrics.ts";
import { registerStateEntries, type StateEntries } from "./state-entries.ts";

/** What the node counts. The hot path adds to plain numbers; Prometheus text is made from them when somebody asks. */

/** Plain counters: `metrics.counters.messagesIn += 1`. */
export class Counters {
  messagesIn = 0;
  messagesOut = 0;
  messagesDelivered = 0;
  slowConsumers = 0;
  rateLimitedFrames = 0;
  heartbeatsLost = 0;
  handlerFailures = 0;
}

/** Read at scrape time. */
export interface GaugeSources {
  connections(): number;
  users(): number;
  topics(): number;
  memberships(): number;
  brokerUp(): boolean;
  nodes(): number;
  busRoundTripS(): number;
  commandsInFlight(): number;
  reconnects(): number;
  /** By kind, all of them from the start on. */
  busRejected(): Readonly<Record<string, number>>;
  keysReady(): boolean;
  evictedTopics(): number;
  droppedMessageIds(): number;
  auditErrors(): number;
  auditLost(): number;
  logErrors(): number;
  logLost(): number;
  state(): StateEntries | null;
}

/** The fixed sets that labels are taken from; anything else counts as "other". */
export interface LabelSets {
  /** Error codes, without `OK`. */
  readonly codes: readonly string[];
  readonly closeCodes: readonly number[];
  readonly frameTypes: readonly string[];
}

export interface Metrics {
  readonly counters: Counters;
  /** By code, `OK` for the accepted ones; the label `result` (ok, refused) follows from it. */
  readonly handshakes: LabelCounter;
  readonly authentications: LabelCounter;
  /** By frame type. */
  readonly framesIn: LabelCounter;
  /** Frames whose handling failed for no fault of the client, by type. */
  readonly framesFailed: LabelCounter;
  /** Error frames and HTTP errors, refused handshakes included, by code. */
  readonly errors: LabelCounter;
  /** Ended connections, by close code. */
  readonly closes: LabelCounter;
  /** Questions to the authorizer, by result. */
  readonly authorizerRequests: LabelCounter;
  /** Calls of the backend's routes, by route and result. */
  readonly apiCalls: CallCounter;
  /** All in seconds. */
  readonly permissionCheck: Histogram;
  readonly authorizer: Histogram;
  readonly brokerPublish: Histogram;
  readonly connectionDuration: Histogram;
  /** One observation a second: the 99th percentile of that second. */
  readonly eventLoopDelay: Histogram;
  render(): Promise<string>;
  readonly contentType: string;
}

type Row = readonly [name: string, help: string];

const COUNTER_ROWS = {
  messagesIn: ["messages_in_total", "Frames received from clients"],
  messagesOut: ["messages_out_total", "Messages and announcements handed to the engine for a topic"],
  messagesDelivered: ["messages_delivered_total", "Deliveries: messages times the connections that they went to"],
  slowConsumers: ["slow_consumers_total", "Connections ended because they could not keep up"],
  rateLimitedFrames: ["rate_limited_frames_total", "Frames refused by the rate limit"],
  heartbeatsLost: ["heartbeats_lost_total", "Connections ended because nothing came from them"],
  handlerFailures: ["handler_failures_total", "Unexpected errors that ended one connection or request"],
} as const satisfies Record<keyof Counters, Row>;

const GAUGE_ROWS = {
  connections: ["connections", "Open connections"],
  users: ["users", "Users with an open connection"],
  topics: ["topics", "Topics with a member"],
  memberships: ["memberships", "Connections times the topics that they are in"],
  brokerUp: ["broker_up", "1 while the broker takes messages, else 0"],
  nodes: ["nodes", "Nodes that share, this one included"],
  busRoundTripS: ["bus_round_trip_seconds", "How long this node's last probe took through the bus"],
  commandsInFlight: ["broker_commands_in_flight", "Commands to the broker that wait for their answers"],
  keysReady: ["keys_ready", "1 while there are keys to verify tokens with, else 0"],
} as const;

/** Counted by other parts, so read like a gauge, but they only rise. */
const FOREIGN_ROWS = {
  evictedTopics: ["evicted_topics_total", "Topics whose history was dropped for the memory bound of the node"],
  droppedMessageIds: ["message_ids_dropped_total", "Message ids forgotten before their five minutes were over"],
  reconnects: ["broker_reconnects_total", "How often a broker that was lost came back"],
  auditErrors: ["audit_errors_total", "Failed writes of the audit log"],
  auditLost: ["audit_lost_total", "Audit records dropped"],
  logErrors: ["log_errors_total", "Failed writes of the log"],
  logLost: ["log_lost_total", "Log lines dropped"],
} as const;

const AUTHORIZER_RESULTS = ["allowed", "denied", "failed", "timeout", "overflow"];

const LATENCY_BOUNDS_S = [1e-6, 1e-5, 1e-4, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5];
const DURATION_BOUNDS_S = [1, 5, 15, 60, 300, 900, 3600, 14_400, 43_200, 86_400];
const LOOP_DELAY_BOUNDS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2, 5];

type KeysOf<T> = Extract<keyof T, string>;

function keysOf<T extends object>(rows: T): KeysOf<T>[] {
  const has = (key: string): key is KeysOf<T> => Object.hasOwn(rows, key);
  return Object.keys(rows).filter(has);
}

function registerCounter(registry: Registry, [name, help]: Row, read: () => number): void {
  new Counter({
    name: `tautline_${name}`,
    help,
    registers: [registry],
    collect() {
      this.reset();
      this.inc(read());
    },
  });
}

function registerLabelled(
  registry: Registry,
  name: string,
  help: string,
  counter: LabelCounter,
  label: string,
  more: (value: string) => Record<string, string> = () => ({}),
): void {
  new Counter({
    name: `tautline_${name}`,
    help,
    labelNames: [...Object.keys(more("")), label],
    registers: [registry],
    collect() {
      this.reset();
      for (const value of counter.values) this.inc({ ...more(value), [label]: value }, counter.get(value));
    },
  });
}

function resultOf(code: string): { result: string } {
  return { result: code === "OK" ? "ok" : "refused" };
}

export function createMetrics(sources: GaugeSources, labels: LabelSets): Metrics {
  const registry = new Registry();
  const counters = new Counters();
  const outcomes = ["OK", ...labels.codes];
  const handshakes = new LabelCounter(outcomes);
  const authentications = new LabelCounter(outcomes);
  const framesIn = new LabelCounter(labels.frameTypes);
  const framesFailed = new LabelCounter(labels.frameTypes);
  const errors = new LabelCounter(labels.codes);
  const closes = new LabelCounter(labels.closeCodes);
  const authorizerRequests = new LabelCounter(AUTHORIZER_RESULTS);
  const apiCalls = new CallCounter();
  const permissionCheck = new Histogram(LATENCY_BOUNDS_S);
  const authorizer = new Histogram(LATENCY_BOUNDS_S);
  const brokerPublish = new Histogram(LATENCY_BOUNDS_S);
  const connectionDuration = new Histogram(DURATION_BOUNDS_S);
  const eventLoopDelay = new Histogram(LOOP_DELAY_BOUNDS_S);

  for (const key of keysOf(GAUGE_ROWS)) {
    const [name, help] = GAUGE_ROWS[key];
    new Gauge({
      name: `tautline_${name}`,
      help,
      registers: [registry],
      collect() {
        this.set(Number(sources[key]()));
      },
    });
  }
  for (const key of keysOf(COUNTER_ROWS)) registerCounter(registry, COUNTER_ROWS[key], () => counters[key]);
  for (const key of keysOf(FOREIGN_ROWS)) registerCounter(registry, FOREIGN_ROWS[key], () => sources[key]());

  registerLabelled(registry, "handshakes_total", "Answered upgrade requests", handshakes, "code", resultOf);
  registerLabelled(registry, "authentications_total", "Checked credentials", authentications, "code", resultOf);
  registerLabelled(registry, "frames_in_total", "Frames received, by type", framesIn, "type");
  registerLabelled(registry, "frames_failed_total", "Frames answered INTERNAL, by type", framesFailed, "type");
  registerLabelled(registry, "errors_total", "Errors answered to clients", errors, "code");
  registerLabelled(registry, "closes_total", "Ended connections, by close code", closes, "code");

  new Counter({
    name: "tautline_bus_rejected_total",
    help: "Messages and entries of other nodes that were none, and were skipped",
    labelNames: ["kind"],
    registers: [registry],
    collect() {
      this.reset();
      for (const [kind, count] of Object.entries(sources.busRejected())) this.inc({ kind }, count);
    },
  });
  registerLabelled(registry, "authorizer_requests_total", "Questions to the authorizer", authorizerRequests, "result");
  new Counter({
    name: "tautline_api_calls_total",
    help: "Calls of the backend's routes",
    labelNames: ["route", "result"],
    registers: [registry],
    collect() {
      this.reset();
      for (const { route, result, calls } of apiCalls.rows()) this.inc({ route, result }, calls);
    },
  });

  const histograms = [
    ["permission_check_seconds", "Time to decide whether a user may act on a topic", permissionCheck],
    ["authorizer_seconds", "Time until the authorizer answered, or was given up", authorizer],
    ["broker_publish_seconds", "Time until the broker took a message; one in 16 is measured", brokerPublish],
    ["connection_duration_seconds", "How long ended connections were open", connectionDuration],
    ["event_loop_delay_seconds", "99th percentile of the event loop delay of each second", eventLoopDelay],
  ] as const;
  for (const [name, help, histogram] of histograms) registerHistogram(registry, `tautline_${name}`, help, histogram);
  registerStateEntries(registry, () => sources.state());
  registerProcessMetrics(registry);

  return {
    ...{ counters, handshakes, authentications, framesIn, framesFailed, errors, closes, apiCalls },
    ...{ authorizerRequests, authorizer, permissionCheck, brokerPublish, connectionDuration, eventLoopDelay },
    render: () => registry.metrics(),
    contentType: registry.contentType,
  };
}
