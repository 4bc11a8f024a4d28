import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { REDIS } from "../support/redis.ts";

/** The command as a process: what it leaves behind, and what it says of itself. */

const RUN = join(import.meta.dir, "run.ts");
const LONG_S = "60";
const WITHIN_MS = 60_000;

const folder = mkdtempSync(join(tmpdir(), "tautline-chaos-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function start(...options: readonly string[]): Bun.Subprocess<"ignore", "pipe", "pipe"> {
  return Bun.spawn([process.execPath, RUN, ...options], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
}

/** The processes that the process has started. */
function childrenOf(pid: number): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => parentOf(name) === pid)
    .map(Number);
}

function parentOf(pid: string): number | null {
  try {
    return Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
  } catch {
    return null;
  }
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 20));
}

describe("the chaos command", () => {
  test.each(["SIGKILL", "SIGTERM", "SIGINT"] as const)(
    "leaves no process behind when it is ended by %s",
    async (signal) => {
      const run = start("--profile", "disk-full", "--seconds", LONG_S, "--out", join(folder, signal));
      await until(() => childrenOf(run.pid).length === 3);
      const children = childrenOf(run.pid);
      run.kill(signal);
      const status = await run.exited;
      if (signal !== "SIGKILL") expect(status).toBe(signal === "SIGINT" ? 130 : 143);
      await until(() => children.every((pid) => !existsSync(`/proc/${pid}`)));
      expect(children).toHaveLength(3);
    },
    WITHIN_MS,
  );

  test.skipIf(REDIS.path === null)(
    `takes the Redis of its nodes with it, however it ends${REDIS.skipReason}`,
    async () => {
      const run = start("--profile", "bus-cuts", "--seconds", LONG_S, "--out", join(folder, "redis"));
      // Two nodes, two processes of clients, and the Redis.
      await until(() => childrenOf(run.pid).length === 5);
      const children = childrenOf(run.pid);
      run.kill("SIGKILL");
      await run.exited;
      await until(() => children.every((pid) => !existsSync(`/proc/${pid}`)));
      expect(children).toHaveLength(5);
    },
    WITHIN_MS,
  );

  test.each([
    ["a profile", ["--profile", "nonsense"]],
    ["a bug", ["--plant", "nonsense"]],
    ["a number", ["--seed", "x"]],
  ])(
    "refuses %s that is none",
    async (_what, options) => {
      const run = start(...options);
      expect(await run.exited).toBe(2);
      expect(await new Response(run.stderr).text()).toContain(options[0] === "--seed" ? "--seed" : "nonsense");
    },
    WITHIN_MS,
  );

  test(
    "lists the profiles and the bugs",
    async () => {
      const run = start("--list");
      const said = await new Response(run.stdout).text();
      expect(await run.exited).toBe(0);
      for (const name of ["kill", "drain", "storm", "late-live"]) expect(said).toContain(`  ${name} `);
    },
    WITHIN_MS,
  );
});
