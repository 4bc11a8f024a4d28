import type { Usage } from "../load/orders.ts";
import { median } from "../load/statistics.ts";

type Counted = Usage & { readonly messages: number };

const SATURATED = 0.95;

/** CPU of all nodes together for one message, in microseconds. */
export const nodeMicros = (report: Counted): number => (report.serverCpuMs * 1_000) / report.messages;
export const redisMicros = (report: Counted): number => (report.brokerCpuMs * 1_000) / report.messages;

/** What a message costs, and whose core was used up: the first is the nodes', the second Redis's and the generator's. */
export function cpuOf(reports: readonly Counted[]): string {
  const share = (of: (report: Counted) => number): number => median(reports.map((each) => of(each) / each.elapsedMs));
  const percent = (value: number): string => `${Math.round(value * 100)} %`;
  const [node, redis, generator] = [
    share((each) => each.serverCpuMs),
    share((each) => each.brokerCpuMs),
    share((each) => each.generatorCpuMs),
  ];
  const first = node >= SATURATED ? ["first core"] : [];
  const second = redis + generator >= SATURATED ? ["second core"] : [];
  const bound = [...first, ...second].join(" and ") || "neither core";
  const micros = `node ${median(reports.map(nodeMicros)).toFixed(1)} µs, Redis ${median(reports.map(redisMicros)).toFixed(1)} µs`;
  return `${micros}; n ${percent(node)} r ${percent(redis)} g ${percent(generator)}: ${bound}`;
}
