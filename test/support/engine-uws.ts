import { existsSync } from "node:fs";
import { arch } from "node:os";
import { fileURLToPath } from "node:url";

/** The second engine, which Bun cannot load, and the Node that can, from npm: `npm ci --prefix test/engine-uws`. In CI a test that needs it fails without it. */
const FOLDER = fileURLToPath(new URL("../engine-uws/node_modules", import.meta.url));
const NODE = `${FOLDER}/node-linux-${arch()}/bin/node`;
const isThere = existsSync(NODE) || process.env["CI"] === "true";

export const engineUws = {
  nodePath: isThere ? NODE : null,
  /** Where a bundle for Node finds the package, wherever the bundle lies. */
  env: { NODE_PATH: FOLDER },
  skipReason: isThere ? "" : " (needs the second engine: npm ci --prefix test/engine-uws)",
};
