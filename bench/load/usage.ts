/** What the kernel says a process used. Linux only, as is the pinning. */
import { readdirSync, readFileSync } from "node:fs";

const TICKS_PER_SECOND = 100;
const PAGE_BYTES = 4096;

/**
 * CPU time of all threads of a process since it started, in milliseconds. From `schedstat` (nanoseconds) where the kernel keeps it:
 * `stat` counts in steps of 10 ms, too coarse for a wave of handshakes.
 */
export function cpuMs(pid: number): number {
  let nanoseconds = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const own = threadNanoseconds(pid, thread);
    if (own === null) return ticksMs(pid);
    nanoseconds += own;
  }
  return nanoseconds / 1e6;
}

/** Null where the kernel keeps no such statistics; 0 for a thread that ended meanwhile. */
function threadNanoseconds(pid: number, thread: string): number | null {
  try {
    return Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]);
  } catch {
    return thread === String(pid) ? null : 0;
  }
}

function ticksMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The command name may hold spaces; the fields after its closing bracket start with the third.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_PER_SECOND;
}

export function residentBytes(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]) * PAGE_BYTES;
}
