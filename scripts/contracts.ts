import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Ajv } from "ajv";
import { Rig } from "../test/api/ports.ts";

/**
 * Checks the contract files, `openapi.json` and `asyncapi.json`, as a node with all its routes serves them; with a folder as its
 * argument it also leaves them there. What the linter would only warn of fails as well. Once its packages are there, nothing of this needs a network.
 */

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const REDOCLY = join(ROOT, "node_modules/@redocly/cli/bin/cli.js");
/** The parser of the AsyncAPI project, in a folder with packages of its own: who starts the node needs none of them. */
const PARSER = join(ROOT, "scripts/asyncapi-parser");
/** The specification's own schema of an AsyncAPI document. */
const ASYNCAPI = join(ROOT, "node_modules/@asyncapi/specs/schemas/3.0.0-without-$id.json");

interface Contract {
  readonly name: string;
  /** Rules of the linter that do not hold here, each with its reason. */
  readonly skip: readonly { readonly rule: string; readonly reason: string }[];
  /** The problems that are found besides, by the path of the file and what is in it; none when it is in order. */
  readonly problems: (path: string, document: unknown) => Promise<string | null>;
}

const CONTRACTS: readonly Contract[] = [
  { name: "openapi.json", skip: [], problems: () => Promise.resolve(null) },
  {
    name: "asyncapi.json",
    skip: [
      {
        rule: "no-required-schema-properties-undefined",
        reason: "it does not see the properties next to a `oneOf` when it comes there by a reference",
      },
    ],
    problems: async (path, document) => (await againstSpecification(document)) ?? byParser(path),
  },
];

async function againstSpecification(document: unknown): Promise<string | null> {
  const ajv = new Ajv({ strict: false, validateFormats: false, allErrors: true });
  const isValid = ajv.validate(await Bun.file(ASYNCAPI).json(), document);
  return isValid ? null : ajv.errorsText(ajv.errors, { separator: "\n" });
}

/** Warnings count. */
function byParser(path: string): string | null {
  const command = [process.execPath, join(PARSER, "check.js"), path];
  const { exitCode, stdout, stderr } = Bun.spawnSync(command, { cwd: PARSER });
  return exitCode === 0 ? null : stdout.toString() + stderr.toString();
}

function hasParser(): boolean {
  const command = [process.execPath, "install", "--frozen-lockfile", "--ignore-scripts", "--silent"];
  return Bun.spawnSync(command, { cwd: PARSER, stdio: ["ignore", "inherit", "inherit"] }).success;
}

/** Rules that are warnings by default are errors here. */
function lint({ name, skip }: Contract, folder: string): boolean {
  const skipped = skip.map(({ rule }) => `--skip-rule=${rule}`);
  const { exitCode, stdout, stderr } = Bun.spawnSync(
    [process.execPath, REDOCLY, "lint", "--extends=recommended-strict", ...skipped, name],
    {
      cwd: folder,
      env: { PATH: process.env["PATH"], REDOCLY_TELEMETRY: "off", REDOCLY_SUPPRESS_UPDATE_NOTICE: "true" },
    },
  );
  if (exitCode !== 0) console.log(stdout.toString() + stderr.toString());
  return exitCode === 0;
}

async function isInOrder(contract: Contract, rig: Rig, folder: string): Promise<boolean> {
  const response = await rig.fetch(`/${contract.name}`);
  const document: unknown = await response.json();
  writeFileSync(join(folder, contract.name), `${JSON.stringify(document, null, 2)}\n`);
  const problems = await contract.problems(join(folder, contract.name), document);
  if (problems !== null) console.log(`${contract.name}:\n${problems}`);
  const isLinted = lint(contract, folder);
  if (isLinted && problems === null) console.log(`${contract.name} is in order.`);
  return isLinted && problems === null;
}

async function main(target: string | undefined): Promise<number> {
  if (!hasParser()) return 1;
  const folder = target === undefined ? mkdtempSync(join(tmpdir(), "tautline-contracts-")) : resolve(target);
  mkdirSync(folder, { recursive: true });
  using rig = await Rig.open();
  try {
    let failed = 0;
    for (const contract of CONTRACTS) if (!(await isInOrder(contract, rig, folder))) failed += 1;
    return failed === 0 ? 0 : 1;
  } finally {
    if (target === undefined) rmSync(folder, { recursive: true });
  }
}

if (import.meta.main) process.exit(await main(process.argv[2]));
