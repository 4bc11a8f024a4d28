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
    /** Every second member of a room speaks MessagePack, where the server does. */
    isMixed: v.boolean(),
    secret: v.string(),
    jti: v.string(),
    issuedAtS: count,
    /** Of nodes that share every room: rooms count from 0 on each, and every `of`-th has its sender here. */
    share: v.nullable(v.object({ at: count, of: count })),
    /** The Redis behind the server; 0: none. */
    brokerPid: count,
    /** How long the server's CPU is watched after the last one is open. */
    settleMs: count,
  }),
  /** Waits until no presence frame came for so long. */
  v.object({ do: v.literal("quiet"), forMs: count }),
  v.object({ do: v.literal("broadcast"), warmupMs: count, measureMs: count }),
  v.object({ do: v.literal("pace"), perSecond: count, warmupMs: count, measureMs: count }),
  /** So many messages from each sender, until everybody has them. */
  v.object({ do: v.literal("publish"), messages: count }),
  /** Everyone but the senders loses the connection. */
  v.object({ do: v.literal("cut") }),
  /** They come back, so many at once, and recover so many messages each. */
  v.object({ do: v.literal("reconnect"), port: count, messages: count, atOnce: count }),
  /** Those who are connected join one room, spread evenly over the time; until no presence frame came for `quietMs`. */
  v.object({ do: v.literal("arrive"), overMs: count, quietMs: count }),
  v.object({ do: v.literal("close") }),
]);
export type Order = v.InferOutput<typeof orderSchema>;
export type OpenOrder = Extract<Order, { do: "open" }>;
export type PaceOrder = Extract<Order, { do: "pace" }>;
export type ReconnectOrder = Extract<Order, { do: "reconnect" }>;

const usageEntries = {
  ...{ elapsedMs: v.number(), serverCpuMs: v.number(), generatorCpuMs: v.number(), brokerCpuMs: v.number() },
};
const reportSchema = v.variant("done", [
  v.object({ done: v.literal("open"), ...usageEntries, opened: count }),
  v.object({ done: v.literal("quiet") }),
  v.object({ done: v.literal("broadcast"), ...usageEntries, deliveries: count, messages: count, bytes: count }),
  /** `latestMs`: how far a message was sent behind the schedule. */
  v.object({
    done: v.literal("pace"),
    ...usageEntries,
    messages: count,
    deliveries: count,
    latencies: count,
    p50Ms: v.number(),
    p99Ms: v.number(),
    latestMs: v.number(),
  }),
  v.object({ done: v.literal("publish") }),
  v.object({ done: v.literal("cut") }),
  /** `upgradedMs`: from the first connect to the last 101. */
  v.object({ done: v.literal("reconnect"), ...usageEntries, opened: count, upgradedMs: v.number(), bytes: count }),
  /** `latestMs`: how far a join was sent behind the schedule. */
  v.object({
    done: v.literal("arrive"),
    ...usageEntries,
    joined: count,
    sentMs: v.number(),
    joinedMs: v.number(),
    latestMs: v.number(),
    presences: count,
    mostPresences: count,
  }),
  v.object({ done: v.literal("close") }),
  v.object({ done: v.literal("failed"), reason: v.string() }),
]);
export type Report = v.InferOutput<typeof reportSchema>;
export type OpenReport = Extract<Report, { done: "open" }>;
export type BroadcastReport = Extract<Report, { done: "broadcast" }>;
export type PaceReport = Extract<Report, { done: "pace" }>;
export type ReconnectReport = Extract<Report, { done: "reconnect" }>;
export type ArriveReport = Extract<Report, { done: "arrive" }>;

/** What both sides of the wire used while a report's figures were taken. */
export interface Usage {
  readonly elapsedMs: number;
  readonly serverCpuMs: number;
  readonly generatorCpuMs: number;
  /** 0 without a Redis. */
  readonly brokerCpuMs: number;
}

export const parseOrder = (message: unknown): Order => v.parse(orderSchema, message);
export const parseReport = (message: unknown): Report => v.parse(reportSchema, message);
