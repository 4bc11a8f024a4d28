import { copyFileSync, mkdirSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * Builds the node for Node: `dist/node/main.js`, one module with everything but uWebSockets.js, which the application installs. The scripts for
 * Redis lie beside it, as they lie beside their module in the sources.
 */

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const SCRIPTS = new Bun.Glob("src/broker/redis/*.lua");

/** Into a folder that is made anew. Rejects when it does not build. */
export async function buildNode(folder: string): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await Bun.build({
    ...{ entrypoints: [join(ROOT, "src/on-node.ts")], outdir: folder, naming: "main.js" },
    ...{ target: "node", format: "esm", external: ["uWebSockets.js", "bun:sqlite"] },
  });
  for (const path of SCRIPTS.scanSync({ cwd: ROOT })) copyFileSync(join(ROOT, path), join(folder, basename(path)));
}

if (import.meta.main) await buildNode(join(ROOT, "dist/node"));
