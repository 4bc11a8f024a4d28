import { copyFileSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildNode } from "../../scripts/build-node.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** What Node is to run of the tests. */
export interface UwsBuild {
  readonly folder: string;
  /** The product. */
  readonly main: string;
  /** `uws-host.ts`. */
  readonly host: string;
}

/** Builds both, in a folder for the caller to remove: `folder` lies in it, as deep as it does in the repository. */
export async function buildForUws(): Promise<UwsBuild> {
  const folder = mkdtempSync(join(tmpdir(), "tautline-uws-"));
  copyFileSync(join(ROOT, "package.json"), join(folder, "package.json"));
  await buildNode(join(folder, "dist/node"), { "host.js": join(ROOT, "test/support/uws-host.ts") });
  return uwsBuildIn(folder);
}

export function uwsBuildIn(folder: string): UwsBuild {
  return { folder, main: join(folder, "dist/node/main.js"), host: join(folder, "dist/node/host.js") };
}
