import { readdir, stat } from "node:fs/promises";
import { Counter, Gauge } from "prom-client";
import type { Registry } from "prom-client";

const DESCRIPTORS = "/proc/self/fd";

/** Linux tells the number as the size of the directory since 6.2; before that its entries are counted. NaN where there is no /proc. */
async function openDescriptors(): Promise<number> {
  try {
    const { size } = await stat(DESCRIPTORS);
    return size > 0 ? size : (await readdir(DESCRIPTORS)).length;
  } catch {
    return Number.NaN;
  }
}

/** What an operator watches of the process, each read at scrape time. */
export function registerProcessMetrics(registry: Registry): void {
  const registers = [registry];
  new Counter({
    name: "tautline_process_cpu_seconds_total",
    help: "CPU time of the process, user and system",
    registers,
    collect() {
      const { user, system } = process.cpuUsage();
      this.reset();
      this.inc((user + system) / 1e6);
    },
  });
  new Gauge({
    name: "tautline_process_resident_memory_bytes",
    help: "Resident memory of the process",
    registers,
    collect() {
      this.set(process.memoryUsage.rss());
    },
  });
  new Gauge({
    name: "tautline_process_open_fds",
    help: "Open file descriptors; NaN where the platform does not tell",
    registers,
    async collect() {
      this.set(await openDescriptors());
    },
  });
  new Gauge({
    name: "tautline_process_start_time_seconds",
    help: "When the process started, in seconds since 1970",
    registers,
  }).set(Math.round(Date.now() / 1000 - process.uptime()));
}
