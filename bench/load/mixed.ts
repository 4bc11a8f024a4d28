import { fanOut, type Shape } from "./fan-out.ts";
import type { Rig } from "./rig.ts";
import type { Row } from "./row.ts";

const all = { scenario: "mixed", isMixed: true };

/** A message is encoded twice, and published to two native topics: less is asked than of one framing. */
const SHAPES: readonly Shape[] = [
  { ...all, rooms: 1, members: 1_000, inFlight: 8, atLeast: 0.75 },
  { ...all, rooms: 100, members: 10, inFlight: 1, atLeast: 0.65 },
];

/** The broadcasts with half of each room in JSON, its sender too, and half in MessagePack; the bare server has JSON alone. */
export async function mixed(rig: Rig): Promise<Row[]> {
  const rows: Row[] = [];
  for (const shape of SHAPES) rows.push(await fanOut(rig, shape));
  return rows;
}
