import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { BACKOFF } from "../../src/client/backoff.ts";
import { MOVES } from "../../src/client/connection-state.ts";
import { tableRows } from "../support/document-table.ts";

const DOCUMENT = readFileSync(fileURLToPath(new URL("../../docs/client.md", import.meta.url)), "utf8");

describe("docs/client.md", () => {
  test("has every move of the connection, and no other", () => {
    const [, text = ""] = DOCUMENT.split("\n## The connection\n");
    const [header = []] = tableRows(text, /^from$/);
    const triggers = header.slice(1);
    const documented = tableRows(text, /^[a-z]+$/)
      .filter(([from]) => from !== "from")
      .map(([from = "", ...cells]) => [
        from,
        Object.fromEntries(triggers.map((trigger, at) => [trigger, cells[at]]).filter(([, to]) => to !== "")),
      ]);
    expect(Object.fromEntries(documented)).toEqual(MOVES);
  });

  test("has the delays of the code", () => {
    const { minDelayMs, maxDelayMs } = BACKOFF;
    expect(DOCUMENT).toContain(`{ minDelayMs: ${minDelayMs}, maxDelayMs: ${maxDelayMs / 1_000}_000 }`);
  });
});
