/** What the kit asks of a process with clients, and what that answers: one order at a time. */
import * as v from "valibot";
import { clientPlan, messageSize } from "./client-plan.ts";
import { clientReport } from "./client-report.ts";

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const place = v.object({ offset: count, epoch: v.string() });
/** Topic → the ids of users. */
const usersByTopic = v.record(v.string(), v.array(v.string()));

const orderSchema = v.variant("do", [
  /** Makes the clients, which connect and join by themselves from now on. */
  v.object({
    do: v.literal("open"),
    clients: v.array(clientPlan),
    client: v.picklist(["kit", "sdk"]),
    ports: v.array(count),
    history: v.string(),
    seed: v.string(),
    size: messageSize,
    expiryAllowanceMs: count,
    /** The process ends by itself after so long, whatever the kit does. */
    endsAfterMs: count,
  }),
  /** From now on the clients publish, hop and send poison, or they do not. */
  v.object({ do: v.literal("load"), isOn: v.boolean() }),
  /** Where everybody is: at these places of the topics, or not. */
  v.object({ do: v.literal("status"), places: v.record(v.string(), place), withUsers: v.boolean() }),
  /** Compares what those who watch know with who is there. */
  v.object({ do: v.literal("compare"), users: usersByTopic }),
  /** What those who watch know goes into the history. */
  v.object({ do: v.literal("record-users") }),
  v.object({ do: v.literal("stop") }),
]);
export type Order = v.InferOutput<typeof orderSchema>;
export type OpenOrder = Extract<Order, { do: "open" }>;

const statusEntries = {
  clients: count,
  /** Of those that have not stopped: not a member of all of their rooms. */
  away: count,
  /** Of the members: not yet at the place of each of their topics. */
  behind: count,
  /** Some of both, for people. */
  names: v.array(v.string()),
  unconfirmed: count,
  users: usersByTopic,
};

const reportSchema = v.variant("done", [
  v.object({ done: v.literal("open") }),
  v.object({ done: v.literal("load") }),
  v.object({ done: v.literal("status"), ...statusEntries }),
  v.object({ done: v.literal("compare"), different: count }),
  v.object({ done: v.literal("record-users") }),
  v.object({ done: v.literal("stop"), report: clientReport }),
  v.object({ done: v.literal("failed"), reason: v.string() }),
]);
export type Report = v.InferOutput<typeof reportSchema>;
export type Status = Extract<Report, { done: "status" }>;
export type UsersByTopic = v.InferOutput<typeof usersByTopic>;

export const parseOrder = (message: unknown): Order => v.parse(orderSchema, message);
export const parseReport = (message: unknown): Report => v.parse(reportSchema, message);
