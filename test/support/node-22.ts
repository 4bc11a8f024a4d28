import { existsSync } from "node:fs";
import { arch } from "node:os";
import { fileURLToPath } from "node:url";

/** The oldest Node that the client is for, from npm: `npm ci --prefix test/node-22`. In CI a test that needs it fails without it. */
const PATH = fileURLToPath(new URL(`../node-22/node_modules/node-linux-${arch()}/bin/node`, import.meta.url));
const isThere = existsSync(PATH) || process.env["CI"] === "true";

export const node22 = {
  path: isThere ? PATH : null,
  skipReason: isThere ? "" : " (needs Node 22: npm ci --prefix test/node-22)",
};
