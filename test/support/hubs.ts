import type { Nodes } from "../../src/broker/broker.ts";
import { MemoryNodes } from "../../src/broker/memory-nodes.ts";
import { Backend } from "../../src/hub/backend.ts";
import { Directory } from "../../src/hub/directory.ts";
import { Everywhere } from "../../src/hub/everywhere.ts";
import { Survey } from "../../src/hub/survey.ts";
import { HubRig } from "./hub.ts";
import type { RedisNodesRig } from "./redis-nodes.ts";

/** A hub, and what it does together with others. Messages stay on each: only the questions are shared. */
export interface SharingHub {
  readonly rig: HubRig;
  readonly nodes: Nodes;
  readonly everywhere: Everywhere;
  readonly survey: Survey;
}

export function sharingHub(nodes: Nodes): SharingHub {
  const rig = new HubRig({ maxConnectionsPerUser: 100 });
  const everywhere = new Everywhere(rig.hub, nodes, new Backend(rig.hub));
  return { rig, nodes, everywhere, survey: new Survey(nodes, new Directory(rig.hub)) };
}

export function hubAlone(): SharingHub {
  return sharingHub(new MemoryNodes("n1"));
}

/** `n1`, `n2` and so on, which know of each other. */
export async function hubsTogether(shared: RedisNodesRig, count: number): Promise<SharingHub[]> {
  const hubs: SharingHub[] = [];
  for (let n = 1; n <= count; n += 1) await shared.start(`n${n}`, (nodes) => hubs.push(sharingHub(nodes)));
  return hubs;
}
