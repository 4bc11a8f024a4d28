import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The package that `bun pm pack` makes of a checkout, in the node_modules of an application. */

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const application = mkdtempSync(join(tmpdir(), "tautline-package-"));
const unpacked = join(application, "node_modules", "tautline");
afterAll(() => rmSync(application, { recursive: true, force: true }));

/** What `bun init` writes of what matters here. */
const TSCONFIG = {
  compilerOptions: {
    ...{ target: "ESNext", module: "Preserve", moduleResolution: "bundler", lib: ["ESNext"], types: ["bun-types"] },
    ...{ strict: true, noEmit: true, allowImportingTsExtensions: true, skipLibCheck: true },
  },
  include: ["app.ts"],
};

const APP = `import { createServer } from "tautline";
const server = await createServer({ tokenValidator: () => ({ id: 42 }), logLevel: "silent" }).listen(0);
console.log((await fetch(server.address.url + "/openapi.json")).status);
await server.stop({ graceMs: 0 });
`;

function run(command: readonly string[], cwd: string): string {
  const { stdout, stderr } = Bun.spawnSync([...command], { cwd, stdio: ["ignore", "pipe", "pipe"] });
  return (stdout.toString() + stderr.toString()).trim();
}

test("it holds what an application needs and nothing else, runs, and passes a check of types", () => {
  mkdirSync(unpacked, { recursive: true });
  run([process.execPath, "pm", "pack", "--destination", application, "--quiet"], ROOT);
  const archive = readdirSync(application).find((name) => name.endsWith(".tgz")) ?? "";
  run(["tar", "-xzf", join(application, archive), "--strip-components=1", "-C", unpacked], application);
  expect(readdirSync(unpacked).toSorted()).toEqual(["LICENSE", "README.md", "dist", "docs", "package.json", "src"]);

  // Its dependencies are those of the checkout.
  symlinkSync(join(ROOT, "node_modules"), join(unpacked, "node_modules"));
  symlinkSync(join(ROOT, "node_modules", "bun-types"), join(application, "node_modules", "bun-types"));
  writeFileSync(join(application, "tsconfig.json"), JSON.stringify(TSCONFIG));
  writeFileSync(join(application, "app.ts"), APP);
  expect(run([process.execPath, "app.ts"], application)).toBe("200");
  expect(run([process.execPath, "check", "--no-pretty"], application)).toMatch(/^✓ No type errors/);
}, 20_000);

test("its command can be run from the checkout, so that adding it by path changes nothing there", () => {
  expect(statSync(join(ROOT, "src/cli.ts")).mode & 0o111).toBe(0o111);
});
