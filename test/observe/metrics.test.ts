import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Histogram } from "../../src/observe/histogram.ts";
import { createMetrics } from "../../src/observe/metrics.ts";
import type { GaugeSources, Metrics } from "../../src/observe/metrics.ts";
import { STATE_KINDS } from "../../src/observe/state-entries.ts";
import { CLOSES, ERRORS } from "../../src/protocol/codes.ts";

const sources: GaugeSources = {
  connections: () => 3,
  users: () => 2,
  topics: () => 5,
  memberships: () => 7,
  brokerUp: () => false,
  evictedTopics: () => 4,
  droppedMessageIds: () => 5,
  keysReady: () => true,
  ...{
    nodes: () => 3,
    busRoundTripS: () => 0.002,
    commandsInFlight: () => 9,
    reconnects: () => 8,
    busRejected: () => ({ message: 6 }),
  },
  auditErrors: () => 11,
  auditLost: () => 12,
  logErrors: () => 13,
  logLost: () => 14,
  state: () => null,
};

function metricsOfNode(): Metrics {
  const closeCodes = Object.keys(CLOSES).map(Number);
  const metrics = createMetrics(sources, {
    codes: Object.keys(ERRORS),
    closeCodes,
    frameTypes: ["chat_message", "ping"],
  });
  metrics.apiCalls.add("POST /api/publish", "ok");
  return metrics;
}

/** Series with their labels → value, as Prometheus would read them. */
function seriesOf(text: string): Map<string, number> {
  const series = new Map<string, number>();
  for (const line of text.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const space = line.lastIndexOf(" ");
    series.set(line.slice(0, space), Number(line.slice(space + 1)));
  }
  return series;
}

interface Row {
  readonly name: string;
  readonly type: string;
  readonly labels: string;
  readonly meaning: string;
}

function rowsOf(text: string): Row[] {
  return [...text.matchAll(/^# HELP (\S+) (.*)\n# TYPE \S+ (\S+)\n(.*)$/gm)].map(
    ([, name = "", meaning = "", type = "", first = ""]) => {
      const labels = [...first.matchAll(/(\w+)="/g)].map(([, label]) => label).filter((label) => label !== "le");
      return { name, type, labels: labels.join(", "), meaning };
    },
  );
}

describe("the metrics", () => {
  test("show gauges and counters as they are when somebody asks", async () => {
    const metrics = metricsOfNode();
    metrics.counters.messagesIn += 4;
    metrics.counters.slowConsumers += 1;
    const first = seriesOf(await metrics.render());
    metrics.counters.messagesIn += 1;
    const second = seriesOf(await metrics.render());
    expect(first.get("tautline_messages_in_total")).toBe(4);
    expect(second.get("tautline_messages_in_total")).toBe(5);
    expect(second.get("tautline_slow_consumers_total")).toBe(1);
    expect(second.get("tautline_connections")).toBe(3);
    expect(second.get("tautline_broker_up")).toBe(0);
    expect(second.get("tautline_audit_errors_total")).toBe(11);
    expect(second.get("tautline_log_lost_total")).toBe(14);
    expect(metrics.contentType).toContain("text/plain; version=0.0.4");
  });

  test("count by code, with the result that the code means", async () => {
    const metrics = metricsOfNode();
    metrics.handshakes.add("OK");
    metrics.handshakes.add("AUTH_FAILED", 2);
    metrics.authentications.add("TOKEN_EXPIRED");
    metrics.closes.add(4013);
    metrics.framesIn.add("ping");
    metrics.errors.add("RATE_LIMITED");
    const series = seriesOf(await metrics.render());
    expect(series.get('tautline_handshakes_total{result="ok",code="OK"}')).toBe(1);
    expect(series.get('tautline_handshakes_total{result="refused",code="AUTH_FAILED"}')).toBe(2);
    expect(series.get('tautline_authentications_total{result="refused",code="TOKEN_EXPIRED"}')).toBe(1);
    expect(series.get('tautline_closes_total{code="4013"}')).toBe(1);
    expect(series.get('tautline_frames_in_total{type="ping"}')).toBe(1);
    expect(series.get('tautline_errors_total{code="RATE_LIMITED"}')).toBe(1);
  });

  test("have the same series whatever clients send", async () => {
    const metrics = metricsOfNode();
    const before = seriesOf(await metrics.render());
    for (let i = 0; i < 10_000; i += 1) {
      metrics.framesIn.add(`type-${i}`);
      metrics.handshakes.add(`code-${i}`);
      metrics.closes.add(10_000 + i);
      metrics.errors.add("__proto__");
    }
    const after = seriesOf(await metrics.render());
    expect([...after.keys()]).toEqual([...before.keys()]);
    expect(after.get('tautline_frames_in_total{type="other"}')).toBe(10_000);
    expect(after.get('tautline_handshakes_total{result="refused",code="other"}')).toBe(10_000);
    expect(after.get('tautline_closes_total{code="other"}')).toBe(10_000);
    expect(after.get('tautline_errors_total{code="other"}')).toBe(10_000);
  });

  test("show histograms with cumulative buckets", async () => {
    const metrics = metricsOfNode();
    for (const seconds of [0.5, 5, 10, 1_000_000]) metrics.connectionDuration.observe(seconds);
    const series = seriesOf(await metrics.render());
    const bucket = (le: string): number | undefined =>
      series.get(`tautline_connection_duration_seconds_bucket{le="${le}"}`);
    expect(["1", "5", "15", "86400", "+Inf"].map(bucket)).toEqual([1, 2, 3, 3, 4]);
    expect(series.get("tautline_connection_duration_seconds_sum")).toBe(1_000_015.5);
    expect(series.get("tautline_connection_duration_seconds_count")).toBe(4);
  });

  test("of two nodes in one process do not mix", async () => {
    const [one, other] = [metricsOfNode(), metricsOfNode()];
    one.counters.messagesIn += 1;
    expect(seriesOf(await other.render()).get("tautline_messages_in_total")).toBe(0);
  });

  test("tell what the process uses", async () => {
    const series = seriesOf(await metricsOfNode().render());
    expect(series.get("tautline_process_cpu_seconds_total")).toBeGreaterThan(0);
    expect(series.get("tautline_process_resident_memory_bytes")).toBeGreaterThan(1_000_000);
    if (process.platform === "linux") expect(series.get("tautline_process_open_fds")).toBeGreaterThan(2);
    expect(series.get("tautline_process_start_time_seconds")).toBeGreaterThan(1_700_000_000);
  });

  test("are all listed in docs/metrics.md, and nothing else is", async () => {
    const rows = rowsOf(await metricsOfNode().render());
    expect(rows.length).toBeGreaterThan(20);
    for (const { name } of rows) expect(name).toStartWith("tautline_");
    const docs = readFileSync(join(import.meta.dir, "../../docs/metrics.md"), "utf8");
    const listed = [...docs.matchAll(/^\| `(\w+)` +\| (\w+) +\| (.*?) +\| (.*?) +\|$/gm)].map(
      ([, name = "", type = "", labels = "", meaning = ""]) => ({
        name,
        type,
        labels: labels.replaceAll("`", ""),
        meaning,
      }),
    );
    expect(listed.toSorted((a, b) => a.name.localeCompare(b.name))).toEqual(
      rows.toSorted((a, b) => a.name.localeCompare(b.name)),
    );
  });
});

describe("what the node remembers", () => {
  test("is 0 of every kind before the node is put together", async () => {
    const series = seriesOf(await metricsOfNode().render());
    const kinds = Object.keys(STATE_KINDS).map((kind) => series.get(`tautline_state_entries{kind="${kind}"}`));
    expect(new Set(kinds)).toEqual(new Set([0]));
  });

  test("is explained in docs/metrics.md, every kind and no other", () => {
    const docs = readFileSync(join(import.meta.dir, "../../docs/metrics.md"), "utf8");
    const listed = [...docs.matchAll(/^\| `([a-z_]+)` +\| ([^|]+?) +\|$/gm)].map(([, kind, what]) => [kind, what]);
    expect(listed).toEqual(Object.entries(STATE_KINDS).map(([kind, what]) => [kind, what]));
  });
});

describe("a histogram", () => {
  test("puts a value on a bound into the bucket below it and ignores what is no duration", () => {
    const histogram = new Histogram([1, 2]);
    for (const value of [0, 1, 1.5, 2, 3, -1, Number.NaN]) histogram.observe(value);
    expect([...histogram.counts]).toEqual([2, 2, 1]);
    expect(histogram.sum).toBe(7.5);
  });
});
