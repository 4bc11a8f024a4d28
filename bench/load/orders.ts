/** What the benchmark asks of a generator process, and what that answers: one order at a time. */
import * as v from "valibot";

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const dialect = v.picklist(["tautline", "tautline-anonymous", "bare", "bare-greeting"]);

const orderSchema = v.variant("do", [
  /** Opens `users` connections, each another user, `usersPerRoom` to a room; 0 joins nothing. */
  v.object({
    do: v.literal("open"),
    dialect,
    port: count,
    serverPid: count,
    users: count,
    usersPerRoom: count,
    inFlight: count,
    secret: v.string(),
    jti: v.string(),
    issuedAtS: count,
    /** How long the server's CPU is watched after the last one is open. */
    settleMs: count,
  }),
  /** Waits until no presence frame came for so long. */
  v.object({ do: v.literal("quiet"), forMs: count }),
  v.object({ do: v.literal("broadcast"), warmupMs: count, measureMs: count }),
  v.object({ do: v.literal("close") }),
]);
export type Order = v.InferOutput<typeof orderSchema>;
export type OpenOrder = Extract<Order, { do: "open" }>;

const usageEntries = { elapsedMs: v.number(), serverCpuMs: v.number(), generatorCpuMs: v.number() };
const reportSchema = v.variant("done", [
  v.object({ done: v.literal("open"), ...usageEntries, opened: count }),
  v.object({ done: v.literal("quiet") }),
  v.object({ done: v.literal("broadcast"), ...usageEntries, deliveries: count, messages: count, bytes: count }),
  v.object({ done: v.literal("close") }),
  v.object({ done: v.literal("failed"), reason: v.string() }),
]);
export type Report = v.InferOutput<typeof reportSchema>;
export type OpenReport = Extract<Report, { done: "open" }>;
export type BroadcastReport = Extract<Report, { done: "broadcast" }>;

/** What both sides of the wire used while a report's figures were taken. */
export interface Usage {
  readonly elapsedMs: number;
  readonly serverCpuMs: number;
  readonly generatorCpuMs: number;
}

export const parseOrder = (message: unknown): Order => v.parse(orderSchema, message);
export const parseReport = (message: unknown): Report => v.parse(reportSchema, message);
