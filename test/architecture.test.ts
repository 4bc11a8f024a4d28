import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import {
  folderCycles,
  importViolations,
  longFiles,
  nameViolations,
  wordingViolations,
  type Sources,
} from "./support/architecture.ts";
import { importsOf } from "./support/imports.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

function readTree(folder: string): Map<string, string> {
  const sources = new Map<string, string>();
  for (const path of new Bun.Glob("**/*.{ts,tsx,css,html,lua}").scanSync({ cwd: `${ROOT}${folder}` })) {
    if (path.includes("node_modules/")) continue;
    sources.set(path.replaceAll("\\", "/"), readFileSync(`${ROOT}${folder}/${path}`, "utf8"));
  }
  return sources;
}

const src = readTree("src");

describe("the source tree", () => {
  test("is really read", () => {
    expect(src.has("protocol/codes.ts")).toBe(true);
    expect(src.has("engine/engine.ts")).toBe(true);
  });

  test("imports nothing that the import table does not allow", () => {
    expect(importViolations(src)).toEqual([]);
  });

  test("has no folders that import each other", () => {
    expect(folderCycles(src)).toEqual([]);
  });

  test("names Bun.serve in the engine alone and reads the environment at the edge alone", () => {
    expect(wordingViolations(src)).toEqual([]);
  });

  test("names every file after what is inside, in kebab-case, without barrels", () => {
    expect(nameViolations(src.keys())).toEqual([]);
  });

  test.each(["test", "bench", "scripts", "examples"])("names the files of %s the same way", (folder) => {
    expect(nameViolations(readTree(folder).keys())).toEqual([]);
  });

  test("has no file over 500 lines", () => {
    const { refused, questioned } = longFiles(src);
    if (questioned.length > 0) console.warn(`Over 300 lines: ${questioned.join(", ")}`);
    expect(refused).toEqual([]);
  });
});

describe("the scanner", () => {
  test.each([
    ['import { a } from "./a.ts";', "./a.ts", false],
    ['import a, { b } from "./a.ts";', "./a.ts", false],
    ['import a, * as b from "./a.ts";', "./a.ts", false],
    ['import * as a from "./a.ts";', "./a.ts", false],
    ['import {\n  a,\n  type B,\n} from "./a.ts";', "./a.ts", false],
    ['import { type A } from "./a.ts";', "./a.ts", false],
    ['import "./a.ts";', "./a.ts", false],
    ['export { a } from "./a.ts";', "./a.ts", false],
    ['export * from "./a.ts";', "./a.ts", false],
    ['export * as a from "./a.ts";', "./a.ts", false],
    ['const a = await import("./a.ts");', "./a.ts", false],
    ['const a = require("./a.ts");', "./a.ts", false],
    ['new Worker(new URL("./a.ts", import.meta.url));', "./a.ts", false],
    ['import type { A } from "./a.ts";', "./a.ts", true],
    ['import type {\n  A,\n  B,\n} from "./a.ts";', "./a.ts", true],
    ['import type A from "./a.ts";', "./a.ts", true],
    ['import type * as A from "./a.ts";', "./a.ts", true],
    ['export type { A } from "./a.ts";', "./a.ts", true],
    ['export type * from "./a.ts";', "./a.ts", true],
    ['type A = typeof import("./a.ts");', "./a.ts", true],
  ])("reads %j", (source, path, isTypeOnly) => {
    expect(importsOf(source)).toEqual([{ path, isTypeOnly }]);
  });

  test("takes a file that is imported both ways for a value", () => {
    expect(importsOf('import type { A } from "./a.ts";\nimport { a } from "./a.ts";\na();')).toEqual([
      { path: "./a.ts", isTypeOnly: false },
    ]);
  });

  test("takes neither comments nor other declarations for imports", () => {
    const source = `
      // import { a } from "./line.ts";
      /* import { a } from "./block.ts"; */
      export const from = "./constant.ts";
      export { from as other };
      const url = "http://example.com/x.ts";
    `;
    expect(importsOf(source)).toEqual([]);
  });
});

describe("the checker", () => {
  test.each([
    ["protocol/a.ts", 'import type { Clock } from "../observe/log.ts";'],
    ["protocol/a.ts", 'import { hash } from "node:crypto";'],
    ["protocol/a.ts", 'import { SignJWT } from "jose";'],
    ["observe/a.ts", 'import type { ErrorCode } from "../protocol/codes.ts";'],
    ["access.ts", 'import type { Hub } from "./hub/hub.ts";'],
    ["engine/a.ts", 'import { encode } from "../protocol/codec.ts";'],
    ["engine/a.ts", 'import type { Session } from "../hub/session.ts";'],
    ["broker/a.ts", 'import type { Frame } from "../engine/engine.ts";'],
    ["auth/a.ts", 'import { memoryBroker } from "../broker/memory.ts";'],
    ["auth/a.ts", 'import { may } from "../access.ts";'],
    ["auth/a.ts", 'import { take } from "../hub/limits.ts";'],
    ["hub/a.ts", 'import { BunEngine } from "../engine/bun.ts";'],
    ["hub/a.ts", 'import type { BunEngine } from "../engine/bun.ts";'],
    ["hub/a.ts", 'import { something } from "../engine/engine.ts";'],
    ["hub/a.ts", 'import { authenticate } from "../auth/authenticate.ts";'],
    ["hub/a.ts", 'import { type Principal } from "../auth/authenticate.ts";'],
    ["hub/a.ts", 'import type { Config } from "../config.ts";'],
    ["hub/a.ts", 'import { createClient } from "@redis/client";'],
    ["hub/a.ts", 'const engine = await import("../engine/bun.ts");'],
    ["hub/a.ts", 'export * from "../broker/memory.ts";'],
    ["api/a.ts", 'import type { Engine } from "../engine/engine.ts";'],
    ["api/a.ts", 'import type { Broker } from "../broker/broker.ts";'],
    ["config.ts", 'import { hub } from "./hub/hub.ts";'],
    ["main.ts", 'import { hub } from "./hub/hub.ts";'],
    ["main.ts", 'import { log } from "./observe/log.ts";'],
    ["node.ts", 'import { connect } from "./client/client.ts";'],
    ["client/a.ts", 'import { schemas } from "../protocol/frames.ts";'],
    ["client/a.ts", 'import * as v from "valibot";'],
    ["console/a.ts", 'import type { Hub } from "../hub/hub.ts";'],
    ["hub/a.ts", 'import { FakeClock } from "../../test/support/clock.ts";'],
    ["plugins/a.ts", ""],
  ])("refuses in %s: %s", (path, source) => {
    expect(importViolations(new Map([[path, source]]))).toHaveLength(1);
  });

  test.each([
    ["protocol/a.ts", 'import * as v from "valibot";\nimport { Packr } from "msgpackr";'],
    ["hub/a.ts", 'import type { Socket } from "../engine/engine.ts";'],
    ["hub/a.ts", 'import type { Verified } from "../auth/authenticate.ts";'],
    ["hub/a.ts", 'import { may } from "../access.ts";\nimport { systemClock } from "../observe/clock.ts";'],
    ["access.ts", 'import type { Clock } from "./observe/clock.ts";'],
    ["api/a.ts", 'import { Buckets } from "../hub/limits.ts";\nimport { cors } from "hono/cors";'],
    ["engine/a.ts", 'import { ERRORS } from "../protocol/codes.ts";\nimport { connect } from "node:net";'],
    ["client/a.ts", 'import type { ChatMessage } from "../protocol/frames.ts";'],
    ["node.ts", 'import { BunEngine } from "./engine/bun.ts";'],
  ])("accepts in %s: %s", (path, source) => {
    expect(importViolations(new Map([[path, source]]))).toEqual([]);
  });

  test("finds folders that import each other, also through a third", () => {
    const sources: Sources = new Map([
      ["hub/a.ts", 'import type { A } from "../auth/a.ts";'],
      ["auth/a.ts", 'import type { B } from "../broker/b.ts";'],
      ["broker/b.ts", 'import type { H } from "../hub/a.ts";'],
    ]);
    expect(folderCycles(sources)).toEqual(["hub → auth → broker → hub"]);
  });

  test.each([
    ["hub/a.ts", "Bun.serve({});"],
    ["hub/a.ts", 'import { serve } from "bun";'],
    ["hub/a.ts", "const port = process.env.PORT;"],
    ["auth/a.ts", 'const secret = Bun.env["JWT_SECRET"];'],
  ])("refuses in %s the wording %s", (path, source) => {
    expect(wordingViolations(new Map([[path, source]]))).toHaveLength(1);
  });

  test("lets comments speak of anything", () => {
    expect(wordingViolations(new Map([["hub/a.ts", "// Bun.serve reads process.env\n/* Bun.serve */"]]))).toEqual([]);
  });

  test.each(["hub/utils.ts", "common/a.ts", "hub/index.ts", "hub/rateLimit.ts", "hub/Rooms.ts", "helpers/a.ts"])(
    "refuses the name %s",
    (path) => {
      expect(nameViolations([path])).toHaveLength(1);
    },
  );

  test.each(["index.ts", "client/index.ts", "hub/rate-limit.ts", "contract/engine.bun.test.ts"])(
    "accepts the name %s",
    (path) => {
      expect(nameViolations([path])).toEqual([]);
    },
  );

  test("refuses a file of 501 lines and questions one of 301", () => {
    const sources: Sources = new Map([
      ["hub/a.ts", "\n".repeat(501)],
      ["hub/b.ts", "\n".repeat(500)],
      ["hub/c.ts", "\n".repeat(301)],
      ["hub/d.ts", "\n".repeat(300)],
    ]);
    expect(longFiles(sources)).toEqual({
      refused: ["hub/a.ts: 501 lines"],
      questioned: ["hub/b.ts: 500 lines", "hub/c.ts: 301 lines"],
    });
  });
});
