import { ProtocolError } from "../protocol/codes.ts";
import { decodeFrame } from "../protocol/decode.ts";
import { BYTES_PER_TOKEN } from "../protocol/frames.ts";
import { ownMessage } from "./application.ts";
import { awake } from "./awake.ts";
import type { Connection } from "./connection.ts";
import { PAUSE_BYTES, WAITING, type WaitingFrame, WAITING_FRAME_BYTES, WAITING_UNAUTHENTICATED } from "./connection.ts";
import { asProtocolError, errorContext, errorFrame } from "./errors.ts";
import type { Row } from "./handlers.ts";
import { findRow } from "./handlers.ts";
import type { Hub } from "./hub.ts";
import type { Budget } from "./users.ts";
import { authenticate } from "./session.ts";

/** A longer frame pays before it is read, and its refusal repeats no id. No chat message is as long. */
const MAX_READ_FIRST_LENGTH = 16_384;
/** Frames of the free types are free up to this length. */
const MAX_FREE_LENGTH = 512;
/** How many refused frames one accepted frame makes good. */
const FORGIVEN_PER_ACCEPTED = 10;
const MAX_REFUSED_FRAMES = 100;
const MAX_UNAUTHENTICATED_FRAMES = 10;
const MAX_UNAUTHENTICATED_BYTES = 8_192;
/** What a client whose frames outran the one that waits is told to wait itself. */
const FULL_QUEUE_RETRY_MS = 1_000;

/** What a frame costs that is of no known type, or cannot be read. */
const UNKNOWN = { budget: "messages", cost: 1 } as const;

type Decoded = Readonly<Record<string, unknown>>;

/**
 * One frame from a client: decode, charge, validate, handle, and the one place where a failure becomes a frame. Synchronous unless
 * the handler waits for something: then the connection's later frames wait behind it, so that their order holds.
 */
export function receive(hub: Hub, connection: Connection, data: string | Uint8Array): void {
  const arrivedMs = awake(hub);
  hub.metrics.counters.messagesIn += 1;
  connection.lastSeenMs = hub.tickedAtMs;
  if (connection.state === "gone") return;
  if (connection.waiting !== null) enqueue(hub, connection, connection.waiting, { data, arrivedMs });
  else process(hub, connection, data, arrivedMs);
}

/** A frame that waited pays at the time at which it came: what it waited for is no fault of its sender. */
function process(hub: Hub, connection: Connection, data: string | Uint8Array, arrivedMs: number): void {
  if (connection.state === "gone") return;
  let decoded: Decoded | null = null;
  try {
    if (connection.state === "pending" && Buffer.byteLength(data) > MAX_UNAUTHENTICATED_BYTES) {
      hub.endUnauthenticated(connection, "MESSAGE_TOO_LARGE");
      return;
    }
    if (connection.state === "open" && data.length > MAX_READ_FIRST_LENGTH)
      chargeUnread(hub, connection, data, arrivedMs);
    decoded = decode(hub, connection, data, arrivedMs);
    const pending =
      connection.state === "pending"
        ? processUnauthenticated(hub, connection, decoded)
        : processFrame(hub, connection, decoded, data, arrivedMs);
    if (pending !== undefined) wait(hub, connection, decoded, pending);
  } catch (error) {
    answer(hub, connection, decoded, error);
  }
}

/** Reading a large frame is work already: it is paid for by its size before anybody looks at it, whatever it turns out to be. */
function chargeUnread(hub: Hub, connection: Connection, data: string | Uint8Array, arrivedMs: number): void {
  take(hub, connection, "messages", tokensOf(data), arrivedMs);
}

/** A frame that nobody can read costs what a readable one would: its answer is no cheaper. */
function decode(hub: Hub, connection: Connection, data: string | Uint8Array, arrivedMs: number): Decoded {
  try {
    return decodeFrame(data);
  } catch (error) {
    if (connection.state === "open") charge(hub, connection, undefined, data, arrivedMs);
    throw error;
  }
}

function processFrame(
  hub: Hub,
  connection: Connection,
  decoded: Decoded,
  data: string | Uint8Array,
  arrivedMs: number,
): void | Promise<void> {
  const row = findRow(decoded["type"]);
  charge(hub, connection, row, data, arrivedMs);
  if (row === undefined) return ownMessage(hub, connection, decoded);
  hub.metrics.framesIn.add(row.type);
  return row.run(hub, connection, decoded);
}

function processUnauthenticated(hub: Hub, connection: Connection, decoded: Decoded): void | Promise<void> {
  if (decoded["type"] !== "auth") throw new ProtocolError("AUTH_REQUIRED");
  return authenticate(hub, connection, decoded);
}

/** What the row costs per 4 KiB, less what a long frame has paid already. */
function charge(
  hub: Hub,
  connection: Connection,
  row: Row | undefined,
  data: string | Uint8Array,
  arrivedMs: number,
): void {
  const { budget, cost } = row ?? UNKNOWN;
  if (budget === "free" && data.length <= MAX_FREE_LENGTH) return;
  if (data.length > MAX_READ_FIRST_LENGTH) {
    if (budget === "joins") take(hub, connection, budget, cost, arrivedMs);
    return;
  }
  take(hub, connection, budget === "free" ? "messages" : budget, Math.max(1, cost) * tokensOf(data), arrivedMs);
}

/** Takes tokens from the user's bucket. Throws RATE_LIMITED; too many of those in a row end the connection. */
function take(hub: Hub, connection: Connection, budget: Budget, cost: number, arrivedMs: number): void {
  const { user } = connection;
  if (user === null) return;
  const retryAfterMs = hub.users.take(user, budget, cost, arrivedMs);
  if (retryAfterMs === 0) {
    connection.refusedFrames = Math.max(0, connection.refusedFrames - FORGIVEN_PER_ACCEPTED);
    return;
  }
  connection.refusedFrames += 1;
  hub.metrics.counters.rateLimitedFrames += 1;
  if (connection.refusedFrames === 1) hub.trail.record("rate.limited", connection, "refused", "RATE_LIMITED");
  if (connection.refusedFrames >= MAX_REFUSED_FRAMES) connection.close(4029, JSON.stringify({ retryAfterMs }));
  throw new ProtocolError("RATE_LIMITED", { retryAfterMs });
}

function tokensOf(data: string | Uint8Array): number {
  // UTF-8 needs at most three bytes per UTF-16 unit: short frames need not be measured.
  if (data.length * 3 <= BYTES_PER_TOKEN) return 1;
  return Math.max(1, Math.ceil(Buffer.byteLength(data) / BYTES_PER_TOKEN));
}

function answer(hub: Hub, connection: Connection, decoded: Decoded | null, failure: unknown): void {
  // First, so that a fault of ours is logged although nobody is left to be told.
  let error = asProtocolError(failure, hub.report);
  if (error.code === "INTERNAL") hub.metrics.framesFailed.add(String(decoded?.["type"]));
  if (connection.state === "gone") return;
  const context = decoded === null ? {} : errorContext(decoded);
  if (connection.state === "pending") {
    connection.unauthenticatedFrames += 1;
    if (error.code !== "INTERNAL") error = new ProtocolError("AUTH_REQUIRED");
  }
  hub.metrics.errors.add(error.code);
  connection.send(errorFrame(error, context, hub.clock.now()));
  if (connection.unauthenticatedFrames >= MAX_UNAUTHENTICATED_FRAMES)
    hub.endUnauthenticated(connection, "AUTH_REQUIRED");
}

/** Lets the connection's later frames wait until this one is done. */
export function wait(hub: Hub, connection: Connection, decoded: Decoded | null, pending: Promise<void>): void {
  connection.waiting = [];
  connection.waitingBytes = 0;
  void pending
    .catch((error: unknown) => answer(hub, connection, decoded, error))
    .then(() => resume(hub, connection))
    .catch((error: unknown) => hub.report(error, connection.id));
}

function resume(hub: Hub, connection: Connection): void {
  const frames = connection.waiting ?? [];
  connection.waiting = null;
  for (const frame of frames) {
    // A frame may have to wait again: whatever follows it goes back behind it.
    if (connection.waiting !== null) enqueue(hub, connection, connection.waiting, frame);
    else process(hub, connection, frame.data, frame.arrivedMs);
  }
  if (connection.waiting === null && connection.state !== "gone") connection.resume();
}

function enqueue(hub: Hub, connection: Connection, waiting: WaitingFrame[], frame: WaitingFrame): void {
  const isUnknown = connection.principal === null;
  const { frames, bytes } = isUnknown ? WAITING_UNAUTHENTICATED : WAITING;
  connection.waitingBytes += Buffer.byteLength(frame.data) + (isUnknown ? 0 : WAITING_FRAME_BYTES);
  if (waiting.length >= frames || connection.waitingBytes > bytes) {
    waiting.length = 0;
    hub.trail.record("rate.limited", connection, "refused", "RATE_LIMITED");
    connection.close(4029, JSON.stringify({ retryAfterMs: FULL_QUEUE_RETRY_MS }));
    return;
  }
  waiting.push(frame);
  if (!isUnknown && connection.waitingBytes > PAUSE_BYTES) connection.pause();
}
