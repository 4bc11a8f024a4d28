import { readFileSync } from "node:fs";

/**
 * Runs the seed and e2e suites once more with two nodes over one Redis in the place of each node, and clients spread over both. Files that start
 * processes or several nodes of their own would do the same again: they are left out. Ends with the line of scripts/test.ts; so do its arguments work.
 */

const SUITES = new Bun.Glob("test/{seeds,e2e}/*.test.ts");

/** A file that starts a `TestNode` and leaves it to the mode what that is. */
function isForTwo(path: string): boolean {
  const text = readFileSync(path, "utf8");
  return /\bTestNode\.start\(|AuditStage\.start\(/.test(text) && !text.includes("BROKER_URL");
}

const files = [...SUITES.scanSync()].filter(isForTwo).toSorted();
const child = Bun.spawn([process.execPath, "scripts/test.ts", ...files, ...process.argv.slice(2)], {
  env: { ...process.env, TEST_NODES: "2" },
  stdio: ["ignore", "inherit", "inherit"],
});
process.exit(await child.exited);
