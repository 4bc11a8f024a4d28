import { afterAll, beforeAll, expect, test } from "bun:test";
import { fileURLToPath } from "node:url";
import manifest from "../../package.json" with { type: "json" };
import { PackedClient } from "../support/packed-client.ts";

const COMPILER = fileURLToPath(new URL("../../node_modules/typescript-compiler/bin/tsc", import.meta.url));
const SAMPLE = `import { connect, type Client } from "tautline/client";
const client: Client = connect("ws://127.0.0.1:1/ws", { token: () => "made-up" });
const room = client.join("general");
const sent: Promise<{ readonly offset: number }> = room.send("hello");
void sent;
// @ts-expect-error a token is a string
connect("ws://127.0.0.1:1/ws", { token: () => 42 });
`;

let packed: PackedClient;

beforeAll(() => {
  packed = new PackedClient();
}, 60_000);
afterAll(() => packed.remove());

/** The scripts that a browser may load of `tautline/client`. */
function scripts(): { readonly name: string; readonly code: string }[] {
  return packed.files
    .filter((path) => /^dist\/client\/[^/]+\.js$/.test(path))
    .map((path) => ({ name: path, code: packed.read(path) }));
}

test("the package has the client with its types, the node for Node, the sources of the node, the docs, and nothing else", () => {
  const folders = new Set(
    packed.files.map((path) =>
      path
        .split("/")
        .slice(0, path.startsWith("dist/") ? 2 : 1)
        .join("/"),
    ),
  );
  expect([...folders].toSorted()).toEqual([
    "LICENSE",
    "README.md",
    "dist/client",
    "dist/node",
    "docs",
    "package.json",
    "src",
  ]);
  const { types, default: script } = manifest.exports["./client"];
  for (const path of [types, script]) expect(packed.has(path)).toBe(true);
  expect(packed.files.filter((path) => /\.(?:tgz|log|env|db)$|(?:^|\/)node_modules\/|\.test\./.test(path))).toEqual([]);
});

test("what a browser loads are ES modules that import nothing but each other, and have nothing of the node in them", () => {
  const all = scripts();
  const names = new Set(all.map(({ name }) => `./${name.split("/").at(-1)}`));
  expect(all.length).toBeGreaterThan(1);
  const transpiler = new Bun.Transpiler({ loader: "js" });
  for (const { name, code } of all) {
    const { imports, exports } = transpiler.scan(code);
    expect(imports.map(({ path }) => path).filter((path) => !names.has(path))).toEqual([]);
    if (name.endsWith("/client.js")) expect(exports).toContain("connect");
    for (const foreign of [
      "hono",
      "jose",
      "pino",
      "valibot",
      "@redis",
      "node:",
      "bun:",
      "Bun.",
      "module.exports",
      "eval(",
    ])
      expect({ name, foreign, isThere: code.includes(foreign) }).toEqual({ name, foreign, isThere: false });
  }
});

test("Node imports it where no other package is installed", () => {
  const program = packed.write(
    "main.js",
    'import * as client from "tautline/client"; console.log(JSON.stringify(Object.keys(client)));',
  );
  const { stdout, stderr } = Bun.spawnSync(["node", program], { stdout: "pipe", stderr: "pipe" });
  expect(stderr.toString()).toBe("");
  expect(JSON.parse(stdout.toString())).toContain("connect");
});

test.each(["bundler", "nodenext"])(
  "its types hold with the module resolution %s, with no other package",
  (resolution) => {
    packed.write("sample.ts", SAMPLE);
    const module = resolution === "bundler" ? "preserve" : resolution;
    const settings = { module, moduleResolution: resolution, target: "es2022", lib: ["es2022", "dom"], types: [] };
    const compilerOptions = {
      ...settings,
      strict: true,
      exactOptionalPropertyTypes: true,
      noEmit: true,
      skipLibCheck: false,
    };
    const project = packed.write("tsconfig.json", JSON.stringify({ compilerOptions, files: ["sample.ts"] }));
    const { stdout, exitCode } = Bun.spawnSync([process.execPath, COMPILER, "-p", project], { stdout: "pipe" });
    expect(stdout.toString()).toBe("");
    expect(exitCode).toBe(0);
  },
);
