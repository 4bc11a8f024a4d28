import { readFileSync, rmSync } from "node:fs";
import { engineUws } from "../test/support/engine-uws.ts";
import { buildForUws } from "../test/support/uws-build.ts";

/**
 * Runs the seed, e2e and wire suites once more on the second engine, whose nodes run in a process of Node. Files that need a node in this process
 * throughout are left out. Ends with the line of scripts/test.ts; so do its arguments work, and paths narrow the choice.
 */

const SUITES = new Bun.Glob("test/{seeds,e2e,wire}/*.test.ts");

/** Everything in them begins with an account, which needs Bun. */
const ABOUT_ACCOUNTS = new Set(["test/seeds/s1.test.ts"]);

/** A file that starts nodes or engines and leaves it to the mode what they stand on. */
function isForUws(path: string): boolean {
  if (ABOUT_ACCOUNTS.has(path)) return false;
  const text = readFileSync(path, "utf8");
  return /\b(?:TestNode|NodeProcess)\.start\(|\bstartEcho\(/.test(text) && !text.includes("FaultyClock(");
}

if (engineUws.nodePath === null) throw new Error(`the second engine is not there${engineUws.skipReason}`);
const { folder } = await buildForUws();
const args = process.argv.slice(2);
const paths = args.filter((arg) => arg.startsWith("test/"));
const isAsked = (path: string): boolean => paths.length === 0 || paths.some((asked) => path.startsWith(asked));
const files = [...SUITES.scanSync()].filter((path) => isAsked(path) && isForUws(path)).toSorted();
const child = Bun.spawn(
  [process.execPath, "scripts/test.ts", ...files, ...args.filter((arg) => !paths.includes(arg))],
  {
    env: { ...process.env, ENGINE: "uws", UWS_BUILD: folder },
    stdio: ["ignore", "inherit", "inherit"],
  },
);
const status = await child.exited;
rmSync(folder, { recursive: true });
process.exit(status);
