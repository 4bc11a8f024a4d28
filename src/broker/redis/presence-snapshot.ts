import * as v from "valibot";
import type { WireUser } from "../../protocol/server-frames.ts";
import { type Holdings, NO_NODE } from "../presence-mirror.ts";
import { LONGEST_HOLD_MS, readStored } from "./presence-bus.ts";

interface Placed {
  readonly user: WireUser;
  readonly untilMs: number;
}

/** A topic's hash as it was at one version. */
export interface Snapshot {
  /** "" when there is none. */
  readonly epoch: string;
  readonly version: number;
  /** With the ends of holds on the clock that it was read by. */
  readonly holdings: Holdings;
  /** Fields that are nobody's. */
  readonly skipped: number;
}

const MAX_FIELD = 1_024;
const reply = v.tuple([v.pipe(v.string(), v.regex(/^\d{1,16}$/)), v.array(v.string())]);
const HELD = /^(?<untilMs>\d{1,16})\n(?<user>.*)$/s;

/** Throws when it is no answer of the script. */
export function readSnapshot(answer: unknown, nowMs: number): Snapshot {
  const [serverMs, flat] = v.parse(reply, answer);
  const holdings = new Map<string, Map<string, Placed>>();
  let epoch = "";
  let version = 0;
  let skipped = 0;
  for (let index = 0; index + 1 < flat.length; index += 2) {
    const field = flat[index] ?? "";
    const value = flat[index + 1] ?? "";
    if (field === "epoch") epoch = value.slice(0, MAX_FIELD);
    else if (field === "version") version = Number(value);
    else {
      const placed = placeOf(field);
      const entry = placed === null ? null : entryOf(placed.node, value, nowMs, Number(serverMs));
      if (placed === null || entry === null) {
        skipped += 1;
        continue;
      }
      const entries = holdings.get(placed.node) ?? new Map();
      holdings.set(placed.node, entries.set(placed.id, entry));
    }
  }
  return { epoch, version, holdings, skipped };
}

function placeOf(field: string): { node: string; id: string } | null {
  const end = field.indexOf("\n");
  if (end === -1 || end === field.length - 1 || field.length > MAX_FIELD) return null;
  return { node: field.slice(0, end), id: field.slice(end + 1) };
}

function entryOf(node: string, value: string, nowMs: number, serverMs: number): Placed | null {
  if (node !== NO_NODE) {
    const user = readStored(value);
    return user === null ? null : { user, untilMs: Number.POSITIVE_INFINITY };
  }
  const parts = HELD.exec(value)?.groups;
  const user = readStored(parts?.["user"] ?? "");
  const leftMs = Math.min(LONGEST_HOLD_MS, Number(parts?.["untilMs"]) - serverMs);
  return user === null ? null : { user, untilMs: nowMs + leftMs };
}
