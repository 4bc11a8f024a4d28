import { fanOut, type Shape } from "./fan-out.ts";
import type { Rig } from "./rig.ts";
import type { Row } from "./row.ts";

const all = { scenario: "broadcast", isMixed: false };

const SHAPES: readonly Shape[] = [
  { ...all, rooms: 1, members: 1_000, inFlight: 8, atLeast: 0.85 },
  { ...all, rooms: 100, members: 10, inFlight: 1, atLeast: 0.75 },
];

export async function broadcast(rig: Rig): Promise<Row[]> {
  const rows: Row[] = [];
  for (const shape of SHAPES) rows.push(await fanOut(rig, shape));
  return rows;
}
