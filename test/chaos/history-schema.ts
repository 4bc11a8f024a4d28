import * as v from "valibot";
import type { Entry } from "./history.ts";

/** The lines of a history as they are checked when they are read; the types are those of `history.ts`. */

const name = v.string();
const timeMs = v.number();
const place = { offset: v.pipe(v.number(), v.safeInteger(), v.minValue(0)), epoch: name };
const position = v.object(place);
const by = { atMs: timeMs, client: name };
const inTopic = { ...by, topic: name };
const users = v.array(name);
const presence = { ...inTopic, user: name };

export const entry = v.variant("op", [
  v.object({
    op: v.literal("receipt"),
    ...inTopic,
    ...place,
    from: name,
    id: name,
    payload: name,
    via: v.picklist(["live", "recovery"]),
    publishedAtMs: timeMs,
  }),
  v.object({ op: v.literal("attempt"), ...inTopic, id: name, payload: name }),
  v.object({ op: v.literal("ack"), ...inTopic, ...place, id: name }),
  v.object({ op: v.literal("refusal"), ...inTopic, id: name, code: name }),
  v.object({
    op: v.literal("join"),
    ...inTopic,
    position,
    recovered: v.nullable(v.boolean()),
    since: v.nullable(position),
    user: v.exactOptional(name),
  }),
  v.object({ op: v.literal("leave"), ...inTopic, askedAtMs: timeMs }),
  v.object({ op: v.literal("gap"), ...inTopic, position }),
  v.object({ op: v.literal("end"), ...by, code: v.number() }),
  v.object({ op: v.literal("stop"), ...by }),
  v.object({ op: v.literal("seen"), ...inTopic, users }),
  v.object({ op: v.literal("truth"), ...inTopic, users }),
  v.object({ op: v.literal("joined"), ...presence }),
  v.object({ op: v.literal("left"), ...presence }),
  v.object({ op: v.literal("diff"), ...inTopic }),
  v.object({ op: v.literal("barred"), ...inTopic, allowanceMs: v.number() }),
  v.object({ op: v.literal("allowed"), ...inTopic }),
  v.object({ op: v.literal("fault"), ...by, name, detail: name }),
]) satisfies v.GenericSchema<unknown, Entry>;
