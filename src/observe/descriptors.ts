import { closeSync, openSync, readFileSync } from "node:fs";

/** File descriptors: every connection needs one, and a process that has none left cannot even refuse. */

/** For files, the listener, and connections that are being refused. */
const RESERVED = 256;

/** The soft limit of this process (getrlimit(2), RLIMIT_NOFILE); null where there is no /proc, or no limit. */
export function descriptorLimit(limits: string = readLimits()): number | null {
  const soft = /^Max open files +(\d+) /m.exec(limits)?.[1];
  return soft === undefined ? null : Number(soft);
}

/** How many connections fit below the limit; null: no bound. */
export function connectionsFor(limit: number | null): number | null {
  return limit === null ? null : Math.max(1, limit - Math.min(RESERVED, Math.ceil(limit / 2)));
}

/** Whether this process can open anything now. */
export function hasFreeDescriptor(): boolean {
  try {
    closeSync(openSync("/dev/null", "r"));
    return true;
  } catch (error) {
    return !(error instanceof Error && "code" in error && (error.code === "EMFILE" || error.code === "ENFILE"));
  }
}

function readLimits(): string {
  try {
    return readFileSync("/proc/self/limits", "utf8");
  } catch {
    return "";
  }
}
