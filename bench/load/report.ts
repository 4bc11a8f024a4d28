import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { join } from "node:path";
import { isPinned } from "./children.ts";
import { isMet, type Row } from "./row.ts";
import type { Plan } from "./rig.ts";
import type { Samples } from "./samples.ts";

const RESULTS = join(import.meta.dir, "..", "results");

function git(...args: readonly string[]): string {
  const { success, stdout } = Bun.spawnSync(["git", ...args], { cwd: RESULTS, stderr: "ignore" });
  return success ? stdout.toString().trim() : "";
}

/** Everything needed to judge the table later; returns the file's name within `bench/results`. */
export function writeReport(plan: Plan, samples: Samples, rows: readonly Row[]): string {
  return write("", {
    plan,
    frameBytes: {
      connected: Buffer.byteLength(samples.connected),
      broadcast: Buffer.byteLength(samples.broadcast),
      acknowledgement: Buffer.byteLength(samples.acknowledgement),
    },
    rows: rows.map((row) => ({ ...row, isMet: isMet(row) })),
  });
}

/** The same for any run; its file's name begins with the kind of run. */
export function write(kind: string, figures: object): string {
  mkdirSync(RESULTS, { recursive: true });
  const time = new Date().toISOString();
  const report = {
    time,
    commit: git("rev-parse", "HEAD"),
    isClean: git("status", "--porcelain") === "",
    runtime: { bun: Bun.version_with_sha, uwebsockets: process.versions["uwebsockets"] ?? "" },
    machine: {
      cpu: cpus()[0]?.model ?? "",
      cores: cpus().length,
      memoryBytes: totalmem(),
      platform: process.platform,
      isPinned,
    },
    ...figures,
  };
  const name = `${kind}${time.replaceAll(/[:.]/g, "-")}.json`;
  writeFileSync(join(RESULTS, name), `${JSON.stringify(report, null, 2)}\n`);
  return name;
}
