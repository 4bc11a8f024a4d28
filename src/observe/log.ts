import { pino } from "pino";
import type { Logger } from "pino";
import type { Clock } from "./clock.ts";
import { loggable } from "./fields.ts";
import { LineBudget } from "./line-budget.ts";
import { IsoTime } from "./iso-time.ts";
import { bounded, escapeLine } from "./line.ts";
import { pathOnly, scrub, scrubTokens } from "./redact.ts";
import type { LineWriter, Sink } from "./sink.ts";

/** The log: one JSON object a line, `time` in ISO 8601 as in the audit log, `level` by name, `nodeId`, `msg`. */

export type LogLevel = "fatal" | "error" | "warn" | "info" | "debug" | "trace" | "silent";

/** One answered upgrade request, whatever the answer was. */
export interface HandshakeFields {
  readonly address: string;
  /** As it was requested; a query is cut off here. */
  readonly path: string;
  readonly userAgent: string | null;
  /** HTTP status of the answer; 101 also when the connection is then refused by a close code. */
  readonly status: number;
  /** `OK`, or the error code. */
  readonly code: string;
  readonly connectionId: string | null;
  readonly userId: string | null;
  readonly durationMs: number;
}

/**
 * Fields are copied, bounded and redacted (`fields.ts`); an `Error` among them becomes name, code, message and, unless it is a
 * constant of ours, its stack. Messages are constants. Nothing here throws or waits.
 */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  /** One line per handshake, level info. Accepted ones always; refused ones within a budget, the rest summed up once a second. */
  access(fields: HandshakeFields): void;
  /** The same log with fields on every line but the access lines. */
  child(fields: object): Log;
}

export interface LogOptions {
  readonly level: LogLevel;
  readonly nodeId: string;
  readonly sink: Sink;
  readonly clock: Clock;
  readonly refusedLinesPerSecond?: number;
}

type Write = (fields: object, message: string) => void;
type Level = "debug" | "info" | "warn" | "error";

const REFUSED_LINES_PER_SECOND = 200;
const UNLOGGABLE = { unloggable: true };

function ignore(): void {}

// A getter of a foreign object may throw; a log line is no reason to end what was being logged.
function copied(fields: object): Record<string, unknown> {
  try {
    return loggable(fields);
  } catch {
    return UNLOGGABLE;
  }
}

function writeAt(logger: Logger, level: Level): Write {
  if (!logger.isLevelEnabled(level)) return ignore;
  return (fields, message) => logger[level](copied(fields), bounded(scrub(message)));
}

/** Built by hand because every handshake pays for it: `loggable` and pino are for lines of any shape. */
function handshakeLine(fields: HandshakeFields, nodeId: string, time: string): string {
  const json = JSON.stringify({
    level: "info",
    time,
    nodeId,
    event: "handshake",
    address: fields.address,
    path: scrubTokens(pathOnly(fields.path)),
    userAgent: fields.userAgent === null ? null : bounded(scrubTokens(fields.userAgent)),
    result: fields.code === "OK" ? "ok" : "refused",
    status: fields.status,
    code: fields.code,
    connectionId: fields.connectionId,
    userId: fields.userId === null ? null : bounded(scrubTokens(fields.userId)),
    durationMs: Math.round(fields.durationMs * 1000) / 1000,
  });
  return `${escapeLine(json)}\n`;
}

function accessLog(logger: Logger, writer: LineWriter, options: LogOptions): (fields: HandshakeFields) => void {
  if (!logger.isLevelEnabled("info")) return ignore;
  const { clock, nodeId } = options;
  const time = new IsoTime();
  const budget = new LineBudget(options.refusedLinesPerSecond ?? REFUSED_LINES_PER_SECOND, clock, (suppressed) => {
    logger.warn({ event: "handshakes.suppressed", ...suppressed }, "refused handshakes not logged one by one");
  });
  return (fields) => {
    if (fields.code !== "OK" && !budget.take(fields.code)) return;
    writer.append(handshakeLine(fields, nodeId, time.of(clock.now())));
  };
}

function logOf(logger: Logger, access: (fields: HandshakeFields) => void): Log {
  return {
    debug: writeAt(logger, "debug"),
    info: writeAt(logger, "info"),
    warn: writeAt(logger, "warn"),
    error: writeAt(logger, "error"),
    access,
    child: (fields) => logOf(logger.child(copied(fields)), access),
  };
}

export function createLog(options: LogOptions): Log {
  const { clock, nodeId } = options;
  const time = new IsoTime();
  const writer = options.sink.writer(
    (lost) => `${JSON.stringify({ level: "warn", time: time.of(clock.now()), nodeId, lost, msg: "log lines lost" })}\n`,
  );
  const logger = pino(
    {
      level: options.level,
      base: { nodeId },
      timestamp: () => `,"time":"${time.of(clock.now())}"`,
      formatters: { level: (level) => ({ level }) },
    },
    {
      write: (line: string) => {
        writer.append(escapeLine(line));
      },
    },
  );
  return logOf(logger, accessLog(logger, writer, options));
}
