import type { Clock } from "./clock.ts";
import { IsoTime } from "./iso-time.ts";
import { bounded, escapeLine } from "./line.ts";
import { REDACTED, isSecretName, scrub, scrubTokens } from "./redact.ts";
import { Repeats } from "./repeats.ts";
import type { Sink } from "./sink.ts";

/** The audit log: who did what, when, from where, on which connection and node, with which result. One JSON object a line. */

export type AuditLevel = "info" | "warning" | "high";

/** Every event there is, with its level; a refused one is at least a warning. */
export const AUDIT_EVENTS = {
  "connection.accepted": "info",
  "connection.refused": "warning",
  "connection.closed": "info",
  "auth.failed": "warning",
  "access.denied": "warning",
  "topic.joined": "info",
  "topic.left": "info",
  "token.revoked": "high",
  "user.disconnected": "high",
  "permissions.changed": "high",
  "rate.limited": "warning",
  "slow.consumer": "warning",
  "account.registered": "info",
  "account.login": "info",
  "api.called": "info",
} as const satisfies Record<string, AuditLevel>;

export type AuditEventName = keyof typeof AUDIT_EVENTS;
export type AuditResult = "ok" | "refused";
export type AuditScalar = string | number | boolean | null;

export interface AuditEvent {
  readonly event: AuditEventName;
  /** Instead of the level of the table. */
  readonly level?: AuditLevel;
  readonly userId?: string | null;
  readonly address?: string | null;
  readonly userAgent?: string | null;
  readonly connectionId?: string | null;
  readonly result: AuditResult;
  /** `OK`, an error code or a close code. */
  readonly code: string | number;
  /** No limit bounds how often a user does it: a refusal is merged as one of nobody in particular is. */
  readonly isUnbounded?: boolean;
  /** What the event is about: `topic`, `role`, `durationMs`. Goes beside the fields above. */
  readonly about?: Readonly<Record<string, AuditScalar>> | undefined;
}

export interface AuditOptions {
  readonly nodeId: string;
  /** Adds `"audit":true`, where audit records and log lines share one stream. */
  readonly marked: boolean;
}

export interface Audit {
  /**
   * Writes one record. Never throws, never waits. Refusals of nobody in particular, and unbounded ones, with the same event, code, address and user
   * within a second after the first are merged into one record with their `count`: the sum of `count` (1 where absent) is the number of events.
   */
  record(event: AuditEvent): void;
  /** Writes what is being merged and waits until all is written; false when `timeoutMs` passed before. */
  flush(timeoutMs: number): Promise<boolean>;
  /** Failed writes of the stream. */
  readonly errors: number;
  /** Records that were dropped; a record with their number stands in their place once the stream works again. */
  readonly lost: number;
  /** Code of what stands in the way of the stream now; null when it works. */
  readonly failure: string | null;
}

const OWN_NAMES: ReadonlySet<string> = new Set([
  ...["time", "event", "level", "userId", "address", "userAgent", "connectionId", "nodeId", "result", "code", "audit"],
  ...["count", "since", "lost"],
]);
const MAX_ABOUT_FIELDS = 16;
const MAX_NAME_CHARS = 64;
const FREE_TEXT = /[\s?=@]/;

function addAbout(record: Record<string, unknown>, about: Readonly<Record<string, AuditScalar>>): void {
  let fields = 0;
  for (const name in about) {
    if (++fields > MAX_ABOUT_FIELDS) return;
    const value = about[name];
    const safeName = OWN_NAMES.has(name) ? `_${name}` : bounded(name, MAX_NAME_CHARS);
    if (typeof value !== "string") record[safeName] = value;
    else if (isSecretName(name)) record[safeName] = REDACTED;
    else record[safeName] = bounded(FREE_TEXT.test(value) ? scrub(value) : scrubTokens(value));
  }
}

function levelOf(event: AuditEvent): AuditLevel {
  if (event.level !== undefined) return event.level;
  const level = AUDIT_EVENTS[event.event];
  return event.result === "refused" && level === "info" ? "warning" : level;
}

function text(value: string | null | undefined): string | null {
  return value === null || value === undefined ? null : bounded(scrubTokens(value));
}

export function createAudit(sink: Sink, options: AuditOptions, clock: Clock): Audit {
  const { nodeId, marked } = options;
  const time = new IsoTime();
  const writer = sink.writer((lost) => {
    const record = { time: time.of(clock.now()), event: "audit.lost", level: "high", nodeId, lost };
    return `${JSON.stringify(marked ? { ...record, audit: true } : record)}\n`;
  });

  function write(event: AuditEvent, repeated: { readonly count: number; readonly since: string } | null): void {
    const record: Record<string, unknown> = {
      time: time.of(clock.now()),
      event: event.event,
      level: levelOf(event),
      userId: text(event.userId),
      address: text(event.address),
      userAgent: text(event.userAgent),
      connectionId: event.connectionId ?? null,
      nodeId,
      result: event.result,
      code: event.code,
    };
    if (event.about !== undefined) addAbout(record, event.about);
    if (repeated !== null) Object.assign(record, repeated);
    if (marked) record["audit"] = true;
    const json = JSON.stringify(record);
    writer.append(`${escapeLine(json)}\n`);
  }

  const repeats = new Repeats<AuditEvent>(clock, (event, count, sinceMs) => {
    write(event, { count, since: new Date(sinceMs).toISOString() });
  });

  function merged(full: AuditEvent): boolean {
    // Only what all the merged ones share: the rest of the first is in its own record.
    const { event, result, code } = full;
    const level = levelOf(full);
    const shared: AuditEvent = { event, level, result, code, userId: text(full.userId), address: text(full.address) };
    const kind = `${event}\n${code}\n${level}`;
    const key = `${kind}\n${shared.address ?? ""}\n${shared.userId ?? ""}`;
    return repeats.merge(key, shared, kind, { event, level, result, code });
  }

  return {
    record(event) {
      // What a user does on a connection is bounded by its limits: there every record keeps its connection and topic.
      const isFlood = event.isUnbounded === true || event.userId === null || event.userId === undefined;
      if (event.result === "refused" && isFlood && merged(event)) return;
      write(event, null);
    },
    async flush(timeoutMs) {
      repeats.flush();
      return sink.flush(timeoutMs);
    },
    get errors() {
      return sink.errors;
    },
    get lost() {
      return writer.lost;
    },
    get failure() {
      return sink.failure;
    },
  };
}
