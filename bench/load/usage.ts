/** What the kernel says a process used. Linux only, as is the pinning. */
import { dlopen, FFIType } from "bun:ffi";
import { readFileSync } from "node:fs";

const PAGE_BYTES = 4096;
const NANOSECONDS_PER_SECOND = 1_000_000_000n;

const libc = dlopen("libc.so.6", {
  clock_gettime: { args: [FFIType.i32, FFIType.ptr], returns: FFIType.i32 },
});
const timespec = new BigInt64Array(2);

/**
 * CPU time of a process since it started, in milliseconds: of all its threads, those included that have ended, whose time the files
 * of `/proc/…/task` lose. Those in `/proc/…/stat` count in steps of 10 ms, too coarse for a wave of handshakes.
 */
export function cpuMs(pid: number): number {
  // What clock_getcpuclockid(3) computes: the CPU clock of another process.
  const clock = (~pid << 3) | 2;
  if (libc.symbols.clock_gettime(clock, timespec) !== 0) throw new Error(`process ${pid} has no CPU clock`);
  const [seconds = 0n, nanoseconds = 0n] = timespec;
  return Number(seconds * NANOSECONDS_PER_SECOND + nanoseconds) / 1e6;
}

export function residentBytes(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]) * PAGE_BYTES;
}
