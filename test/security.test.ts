import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** SECURITY.md against the tests that it names, and the documents' cookies against its own advice. */

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const SECURITY = readFileSync(`${ROOT}SECURITY.md`, "utf8");

interface Row {
  readonly id: string;
  readonly cells: readonly string[];
}

const ROWS: readonly Row[] = SECURITY.split("\n")
  .filter((line) => /^\| [A-Z]\d+ /.test(line))
  .map((line) => {
    const [id = "", ...cells] = line
      .slice(1, -1)
      .split("|")
      .map((cell) => cell.trim());
    return { id, cells };
  });

describe("SECURITY.md", () => {
  test("numbers the threats of each group without a gap", () => {
    const groups = Map.groupBy(ROWS, ({ id }) => id.charAt(0));
    expect([...groups.keys()]).toEqual(["B", "E", "F", "G", "L", "M", "N", "P", "Q"]);
    for (const [group, rows] of groups) {
      expect(rows.map(({ id }) => id)).toEqual(rows.map((_row, index) => `${group}${index + 1}`));
    }
  });

  test("names for each of them what happens, and a test that is there", () => {
    for (const { id, cells } of ROWS) {
      const [threat = "", happens = "", tests = ""] = cells;
      expect([id, cells.length, threat !== "", happens !== ""]).toEqual([id, 3, true, true]);
      const files = [...tests.matchAll(/`(test\/[^`]+)`/g)].map(([, file = ""]) => file);
      expect([id, files.length > 0]).toEqual([id, true]);
      expect([id, files.filter((file) => !existsSync(ROOT + file))]).toEqual([id, []]);
    }
  });

  test("links its contents to headings that are there", () => {
    const anchors = [...SECURITY.matchAll(/^#+ (.+)$/gm)].map(([, title = ""]) =>
      title
        .toLowerCase()
        .replace(/[^a-z0-9 -]/g, "")
        .replaceAll(" ", "-"),
    );
    const links = [...SECURITY.matchAll(/\]\(#([^)]+)\)/g)].map(([, anchor = ""]) => anchor);
    expect(links.length).toBeGreaterThan(5);
    expect(links.filter((link) => !anchors.includes(link))).toEqual([]);
  });
});

test("every cookie that a document sets is guarded", () => {
  const documents = ["*.md", "docs/*.md"].flatMap((glob) => [...new Bun.Glob(glob).scanSync({ cwd: ROOT })]);
  const cookies = documents.flatMap((path) => readFileSync(ROOT + path, "utf8").match(/^Set-Cookie: .+$/gm) ?? []);
  expect(cookies.length).toBeGreaterThan(0);
  for (const cookie of cookies) {
    expect(cookie).toMatch(/^Set-Cookie: __Host-/);
    for (const attribute of ["Path=/", "Secure", "HttpOnly", "SameSite="]) expect(cookie).toContain(attribute);
    expect(cookie).not.toContain("Domain");
  }
});
