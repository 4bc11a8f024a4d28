import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * Builds what browsers, Node and bundlers import as `tautline/client`: `dist/client/`, ES modules that import nothing, with their types.
 * The library of MessagePack is a chunk of its own, which is loaded when somebody asks for that framing.
 */

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const ENTRY = join(ROOT, "src/client/index.ts");

export interface ClientFile {
  readonly name: string;
  readonly code: string;
}

/** The entry first; the source maps are left out. Rejects when it does not build. */
export async function bundleClient(folder: string | null): Promise<readonly ClientFile[]> {
  const { outputs } = await Bun.build({
    entrypoints: [ENTRY],
    ...{ target: "browser", format: "esm", splitting: true, modulePreload: false, minify: true },
    ...{ naming: { entry: "client.js", chunk: "client-[hash].js" }, sourcemap: folder === null ? "none" : "linked" },
    ...(folder !== null && { outdir: folder }),
  });
  const scripts = outputs.filter(({ kind }) => kind === "entry-point" || kind === "chunk");
  const isEntry = (name: string): number => Number(name === "client.js");
  const files = await Promise.all(
    scripts.map(async (output) => ({ name: output.path.split("/").at(-1) ?? "", code: await output.text() })),
  );
  return files.toSorted((a, b) => isEntry(b.name) - isEntry(a.name));
}

function writeTypes(folder: string): boolean {
  const compiler = join(ROOT, "node_modules/typescript-compiler/bin/tsc");
  const settings = join(ROOT, "scripts/client-types.json");
  return Bun.spawnSync([process.execPath, compiler, "-p", settings, "--outDir", folder], {
    stdio: ["ignore", "inherit", "inherit"],
  }).success;
}

/** Everything, into a folder that is made anew. False when the types do not build. */
export async function buildClient(folder: string): Promise<boolean> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await bundleClient(folder);
  return writeTypes(join(folder, "types"));
}

if (import.meta.main) process.exit((await buildClient(join(ROOT, "dist/client"))) ? 0 : 1);
