import { copyFileSync, mkdirSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * Builds the node for Node: `dist/node/main.js`, one module with everything but uWebSockets.js, which the application installs. The scripts for
 * Redis lie beside it, as they lie beside their module in the sources.
 */

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const SCRIPTS = new Bun.Glob("src/broker/redis/*.lua");

/** Into a folder that is made anew; `others` are entries more, by the names of their bundles. Rejects when one does not build. */
export async function buildNode(folder: string, others: Readonly<Record<string, string>> = {}): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const [naming, entry] of Object.entries({ "main.js": join(ROOT, "src/on-node.ts"), ...others })) {
    await Bun.build({
      ...{ entrypoints: [entry], outdir: folder, naming },
      ...{ target: "node", format: "esm", external: ["uWebSockets.js", "bun:sqlite"] },
    });
  }
  for (const path of SCRIPTS.scanSync({ cwd: ROOT })) copyFileSync(join(ROOT, path), join(folder, basename(path)));
}

if (import.meta.main) await buildNode(join(ROOT, "dist/node"));
