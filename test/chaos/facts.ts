import type { ClientReport } from "./client-report.ts";
import type { Exit } from "./node-under-test.ts";
import type { Crowd, Drain } from "./stage.ts";
import type { Verdict } from "./verdict.ts";

/** What a profile can expect something of, beyond what the history says. */
export interface Facts {
  readonly verdict: Verdict;
  readonly clients: ClientReport;
  /** Of all nodes. */
  readonly exits: readonly Exit[];
  readonly drains: readonly Drain[];
  readonly crowds: readonly Crowd[];
  /** Of all nodes together, at the end. */
  readonly metrics: ReadonlyMap<string, number>;
  readonly errorOutput: string;
  /** The log of each node. */
  readonly logs: readonly string[];
}

/** Null when it holds, else what is wrong. */
export type Expectation = (facts: Facts) => string | null;

const DRAINING = 1012;
/** So long after the first connection a fault is the reason for the next ones. */
const COMING_MS = 2_000;

const metric = ({ metrics }: Facts, name: string): number => metrics.get(`tautline_${name}`) ?? 0;

function atLeast(name: string, least: number, value: number): string | null {
  return value >= least ? null : `${name}: ${value}, expected at least ${least}`;
}

function none(name: string, value: number): string | null {
  return value === 0 ? null : `${name}: ${value}, expected none`;
}

/** What has to hold whatever is done to a node. */
export const ALWAYS: Readonly<Record<string, Expectation>> = {
  nodesEndWhenAsked: ({ exits }) =>
    none("nodes that ended by themselves", exits.filter((exit) => !exit.wasAsked).length),
  nodesEndWell: ({ exits }) =>
    none("nodes that ended with an error", exits.filter(({ code, wasKilled }) => code !== 0 && !wasKilled).length),
  nothingUncaught: ({ errorOutput }) => none("uncaught errors", errorOutput.split('"uncaught"').length - 1),
  nothingBetweenLeaveAndJoin: ({ clients }) => none("messages between a leave and a join", clients.receivedOutside),
};

export const noFailedHandlers: Expectation = (facts) =>
  none("failed handlers", metric(facts, "handler_failures_total"));
export const noGaps: Expectation = ({ clients }) =>
  none("joins that could not recover", clients.unrecovered) ?? none("gaps on live connections", clients.gaps);
export const someGaps: Expectation = ({ clients }) =>
  atLeast("joins that could not recover, and gaps", 1, clients.unrecovered + clients.gaps);
export const noDuplicates: Expectation = ({ verdict }) => none("duplicates", verdict.duplicates);
export const noReconnects: Expectation = ({ clients }) => none("connections that ended", clients.closes.length);
export const someReconnects: Expectation = ({ clients }) => atLeast("connections that ended", 1, clients.closes.length);

export function joins(least: number): Expectation {
  return ({ clients }) => atLeast("joins", least, clients.joins);
}

export function someOf(name: string): Expectation {
  return (facts) => atLeast(name, 1, metric(facts, name));
}

export function backWithin(mostMs: number): Expectation {
  return ({ verdict: { maxBlackoutMs } }) =>
    maxBlackoutMs <= mostMs ? null : `the longest blackout was ${maxBlackoutMs} ms, expected ${mostMs} at most`;
}

/** Messages that were refused with that code: the fault was one. */
export function refusedWith(code: string): Expectation {
  return ({ clients }) => atLeast(`messages refused as ${code}`, 1, clients.errors[code] ?? 0);
}

/** In the logs of so many nodes at least. */
export function logsSay(text: string, least: number): Expectation {
  return ({ logs }) => atLeast(`nodes whose log says ${text}`, least, logs.filter((log) => log.includes(text)).length);
}

/** Handshakes in any second of the run, but for the first when everybody comes. */
export function connectsPerSecond(most: number): Expectation {
  return ({ clients }) => {
    const [first = 0, ...times] = clients.upgrades.map(({ toMs }) => toMs).toSorted((a, b) => a - b);
    const later = times.filter((atMs) => atMs > first + COMING_MS);
    const counts = later.map((atMs, index) => later.slice(index).findIndex((other) => other > atMs + 1_000));
    const busiest = Math.max(0, ...counts.map((count, index) => (count === -1 ? later.length - index : count)));
    return busiest <= most ? null : `the busiest second had ${busiest} connections, expected ${most} at most`;
  };
}

/** From the first `/ready` that says no until the process is gone. */
export const drainsTakeNobody: Expectation = ({ drains, clients }) =>
  none(
    "upgrades during a drain",
    clients.upgrades.filter(({ fromMs, toMs, port }) =>
      drains.some(
        ({ ports, unreadyAtMs, endedAtMs }) => ports.includes(port) && fromMs > unreadyAtMs && toMs < endedAtMs,
      ),
    ).length,
  );

export const allEndWith1012: Expectation = ({ clients: { closes } }) =>
  atLeast("connections that ended", 1, closes.length) ??
  none("connections that ended without 1012", closes.filter(({ code }) => code !== DRAINING).length);

export const crowdIsRefused: Expectation = ({ crowds }) =>
  atLeast(
    "refused connections of the crowd",
    1,
    crowds.reduce((sum, { refused }) => sum + refused, 0),
  );

export const poisonIsAnswered: Expectation = ({ clients }) =>
  atLeast("messages that failed", 1, clients.failedOwn) ??
  none("failing messages without an answer", clients.poisonSent - clients.failedOwn);

export const poisonIsCounted: Expectation = (facts) =>
  none("failed handlers that are not counted", facts.clients.failedOwn - metric(facts, "handler_failures_total"));

export const messagesWereRetried: Expectation = ({ clients }) => atLeast("retries", 1, clients.retries);

/** Those whose last token has ended, and nobody else. */
export function stopped(count: number): Expectation {
  return ({ clients }) =>
    clients.stopped.length === count ? null : `clients that stopped: ${clients.stopped.length}, expected ${count}`;
}
