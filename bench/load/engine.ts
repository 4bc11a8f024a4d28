/** What the servers of a run stand on: how Tautline is started there, and the bare server beside it. */
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { buildNode } from "../../scripts/build-node.ts";
import { engineUws } from "../../test/support/engine-uws.ts";
import { onBun, scratch } from "./children.ts";

export interface BenchEngine {
  readonly name: string;
  readonly subject: readonly string[];
  readonly bare: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

const ROOT = join(import.meta.dir, "..", "..");

export const BUN: BenchEngine = {
  name: "Bun",
  subject: onBun(join(ROOT, "src", "main.ts")),
  bare: onBun(join(ROOT, "bench", "bare.ts")),
  env: {},
};

/** Built for the run. Throws where the second engine is not installed. */
export async function uws(): Promise<BenchEngine> {
  if (engineUws.nodePath === null) throw new Error(`no uWebSockets.js${engineUws.skipReason}`);
  const folder = join(scratch, "dist", "node");
  const [bare, collect] = [join(ROOT, "bench", "bare-uws.ts"), join(import.meta.dir, "collect-node.ts")];
  await buildNode(folder, { "bare.js": bare, "collect.js": collect });
  // Where the node looks for its version, and Node for what kind of modules these are.
  copyFileSync(join(ROOT, "package.json"), join(scratch, "package.json"));
  const node = [engineUws.nodePath, "--expose-gc", "--import", join(folder, "collect.js")];
  return {
    name: "uWebSockets.js",
    subject: [...node, join(folder, "main.js")],
    bare: [...node, join(folder, "bare.js")],
    env: engineUws.env,
  };
}
