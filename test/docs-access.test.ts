import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { tableRows } from "./support/document-table.ts";
import { DEFAULT_ACCESS, type Rule } from "../src/access.ts";

/** The default rules in docs/protocol.md against the code. */

const PROTOCOL = readFileSync(new URL("../docs/protocol.md", import.meta.url), "utf8");
const [, rest = ""] = PROTOCOL.split("\n### Who may do what\n");
const [section = ""] = rest.split(/\n##+ /);

function textOf(rule: Rule): string {
  if (typeof rule === "string") return rule;
  return rule.and === "nothing" ? rule.permission : `${rule.permission}, ${rule.and}`;
}

test("the namespaces are those of the documentation, with their rules", () => {
  expect(tableRows(section, /^(?!namespace$|permission$)[a-z]+$/)).toEqual(
    Object.entries(DEFAULT_ACCESS.namespaces).map(([name, { read, write, presence, history }]) => [
      ...[name, textOf(read), textOf(write)],
      ...[presence, history],
    ]),
  );
});

test("the permissions are those of the documentation, with their roles", () => {
  expect(tableRows(section, /^[a-z]+\.[a-z]+$/)).toEqual(
    Object.entries(DEFAULT_ACCESS.permissions).map(([permission, roles]) => [permission, roles.join(", ")]),
  );
});

test("the topics that any user may read are named", () => {
  for (const topic of DEFAULT_ACCESS.publicTopics) expect(section).toContain(`\`${topic}\``);
});
