import { readFileSync } from "node:fs";
import { start } from "../src/main.ts";

/**
 * Runs the node for `bun start`. Under npx the chain is npm → sh → bun → this process, and where `sh` is dash a SIGTERM to npx ends
 * the shell and goes no further: a node would be left on its port. So the loss of that shell counts as SIGTERM.
 */

const CHECK_INTERVAL_MS = 500;

/** Parent of a process; null where it ended or there is no /proc. */
function parentOf(pid: number): number | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name in parentheses may hold spaces and parentheses itself: fields count from its end.
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return null;
  }
}

function drainWithoutLauncher(): void {
  const runner = process.ppid;
  const launcher = parentOf(runner);
  if (launcher === null) return;
  const timer = setInterval(() => {
    if (process.ppid === runner && parentOf(runner) === launcher) return;
    clearInterval(timer);
    process.kill(process.pid, "SIGTERM");
  }, CHECK_INTERVAL_MS);
  timer.unref();
}

if (process.argv.length > 2) {
  process.stderr.write(
    "tautline: start takes no arguments: settings come from the environment, as in PORT=9000 bun start\n",
  );
  process.exit(2);
}
if (process.env["npm_config_user_agent"]?.startsWith("npm/") === true) drainWithoutLauncher();
process.exit(await start(process.env));
