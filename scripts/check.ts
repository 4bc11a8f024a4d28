import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { installed } from "./install.ts";

/** Everything that is checked without running the product: one heading each, all of them run, one exit status. */

interface Step {
  readonly name: string;
  readonly command: readonly string[];
  /** A step whose file does not exist has nothing to check. */
  readonly needs?: string;
}

const bun = process.execPath;

const STEPS: readonly Step[] = [
  { name: "format", command: [bun, "fmt", "--no-script", "--check"] },
  { name: "lint", command: [bun, "node_modules/oxlint/bin/oxlint", "--type-aware", "--deny-warnings"] },
  { name: "types", command: [bun, "check", "--no-script"] },
  { name: "architecture", command: [bun, "test", "--only-failures", "./test/architecture.test.ts"] },
  {
    name: "generated docs",
    command: [bun, "scripts/config-table.ts", "--check"],
    needs: "scripts/config-table.ts",
  },
  { name: "contracts", command: [bun, "scripts/contracts.ts"] },
];

function run(step: Step): boolean {
  console.log(`\n== ${step.name} ==`);
  const { exitCode } = Bun.spawnSync([...step.command], { stdio: ["ignore", "inherit", "inherit"] });
  return exitCode === 0;
}

process.chdir(fileURLToPath(new URL("..", import.meta.url)));
if (!installed()) process.exit(1);
const steps = STEPS.filter((step) => step.needs === undefined || existsSync(step.needs));
const failed = steps.filter((step) => !run(step)).map((step) => step.name);
console.log(failed.length === 0 ? `\nAll ${steps.length} checks passed.` : `\nFailed: ${failed.join(", ")}.`);
process.exit(failed.length === 0 ? 0 : 1);
