import type { Usage } from "./orders.ts";
import { median } from "./statistics.ts";

/** From here on a core counts as used up; the rest is what the kernel and other processes take. */
const SATURATED = 0.95;

export type BoundBy = "server" | "generator" | "neither";

export interface Load {
  readonly server: number;
  readonly generator: number;
}

/** Share of a core that each side used: medians over the rounds. */
export function loadOf(usages: readonly Usage[]): Load {
  return {
    server: median(usages.map((usage) => usage.serverCpuMs / usage.elapsedMs)),
    generator: median(usages.map((usage) => usage.generatorCpuMs / usage.elapsedMs)),
  };
}

/** Whose figure a throughput is. "neither": one waited for the other, or others used the machine. */
export function boundBy(load: Load): BoundBy {
  if (load.server >= SATURATED) return "server";
  return load.generator >= SATURATED ? "generator" : "neither";
}

export function describeLoad(load: Load): string {
  const percent = (share: number): string => `${Math.round(share * 100)}`;
  return `${boundBy(load)} (s ${percent(load.server)} g ${percent(load.generator)} %)`;
}
