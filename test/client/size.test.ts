import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { bundleClient } from "../../scripts/build-client.ts";

const MAX_BYTES = 6_144;
const DOCUMENT = fileURLToPath(new URL("../../docs/client.md", import.meta.url));

test("what a page with JSON loads is at most 6 KB, minified and compressed", async () => {
  const files = await bundleClient(null);
  const transpiler = new Bun.Transpiler({ loader: "js" });
  const loaded = new Set<string>();
  const load = (name: string): void => {
    const file = files.find((each) => each.name === name);
    if (file === undefined) throw new Error(`${name} is not in the bundle`);
    if (loaded.has(name)) return;
    loaded.add(name);
    for (const { kind, path } of transpiler.scanImports(file.code))
      if (kind === "import-statement") load(path.replace("./", ""));
  };
  load(files[0]?.name ?? "");
  const bytes = files
    .filter(({ name }) => loaded.has(name))
    .reduce((sum, { code }) => sum + Bun.gzipSync(code).length, 0);
  console.log(`The client for JSON: ${bytes} bytes of at most ${MAX_BYTES}`);
  expect(bytes).toBeLessThanOrEqual(MAX_BYTES);
  expect(files.length).toBeGreaterThan(loaded.size);
});

test.skipIf(!existsSync(DOCUMENT))("docs/client.md says how much that is", () => {
  expect(readFileSync(DOCUMENT, "utf8")).toContain("6,144 bytes");
});
