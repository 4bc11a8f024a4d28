import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { ENDPOINTS, findEndpoint } from "../src/hub/endpoints.ts";
import { AUDIT_EVENTS } from "../src/observe/audit.ts";
import { CLOSES, ERRORS } from "../src/protocol/codes.ts";
import { clientFrames } from "../src/protocol/frames.ts";
import { publishedEvent, serverFrames } from "../src/protocol/server-frames.ts";
import { Rig } from "./api/ports.ts";
import { tableRows } from "./support/document-table.ts";

/** docs/protocol.md against the code. */

/** An event name in the code, where it is recorded. */
const EVENT = /"((?:connection|auth|access|topic|rate|slow|account|token|permissions|user|api)\.[a-z]+)"/g;

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const PROTOCOL = readFileSync(`${ROOT}docs/protocol.md`, "utf8");

function sourcesOf(folder: string): string[] {
  return [...new Bun.Glob(`${folder}/**/*.ts`).scanSync({ cwd: ROOT })].map((path) =>
    readFileSync(ROOT + path, "utf8"),
  );
}

/** The text of one section, without its subsections' headings counting as its end. */
function section(title: string): string {
  const [, text] = PROTOCOL.split(`\n## ${title}\n`);
  if (text === undefined) throw new Error(`docs/protocol.md has no section ${title}`);
  return text.split("\n## ")[0] ?? "";
}

function rows(title: string, first: RegExp): string[][] {
  return tableRows(section(title), first);
}

const orDash = (code: number): string => (code === 0 ? "–" : String(code));

describe("docs/protocol.md", () => {
  test("has every error with its text, status, close code and retry, and no other", () => {
    expect(rows("Errors and close codes", /^[A-Z_]+$/)).toEqual(
      Object.entries(ERRORS).map(([code, row]) => [code, row.text, orDash(row.status), orDash(row.close), row.retry]),
    );
  });

  test("has every close code with its name and what to do then, and no other", () => {
    const documented = rows("Errors and close codes", /^\d{4}$/);
    expect(documented.map((cells) => cells.slice(0, 3))).toEqual(
      Object.entries(CLOSES).map(([code, { name, then }]) => [code, name, then]),
    );
    expect(documented.every(([, , , meaning]) => meaning !== undefined && meaning !== "")).toBe(true);
  });

  test("explains every way to retry and every way to go on after a close", () => {
    const text = section("Errors and close codes");
    const words = [
      ...Object.values(ERRORS).map(({ retry }) => retry),
      ...Object.values(CLOSES).map(({ then }) => then),
    ];
    expect(words.filter((word) => !text.includes(`\`${word}\``))).toEqual([]);
  });

  test("has every client frame with every field that it takes, and no other frame", () => {
    const documented = rows("Client → server", /^[a-z_]+$/).filter(([type]) => type !== "type");
    expect(documented.map(([type = ""]) => type).toSorted()).toEqual(Object.keys(clientFrames).toSorted());
    for (const [type = "", fields = ""] of documented) {
      const taken = fieldsOf(type).filter((name) => name !== "id");
      expect(taken.filter((name) => !fields.includes(name)).map((name) => `${type}.${name}`)).toEqual([]);
    }
  });

  test("has every frame that the server sends with every field that it has, and nothing else", () => {
    const documented = new Map(spans("Server → client", /^`([a-z_]+)`$/));
    expect([...documented.keys()].toSorted()).toEqual(Object.keys(serverFrames).toSorted());
    const everywhere = new Set(["id", "type", "timestamp"]);
    for (const [type, schema] of Object.entries(serverFrames)) {
      const named = new Set(documented.get(type)).difference(everywhere);
      const sent = fieldsIn(schema).difference(everywhere);
      expect([type, ...[...named].toSorted()]).toEqual([type, ...[...sent].toSorted()]);
    }
  });

  test("has every field of a published event", () => {
    const [span = ""] = /`\{type: event, [^`]+\}`/.exec(section("Server → client")) ?? [];
    const named = new Set(span.replace("type: event", "type").match(NAMES));
    expect([...named].toSorted()).toEqual([...fieldsIn(publishedEvent)].toSorted());
  });

  test("names for each promise tests that are there, and a fault", () => {
    const promises = rows("What is promised", /^\*\*/);
    expect(promises).toHaveLength(9);
    for (const [promise = "", tests = "", faults = ""] of promises) {
      const files = tests.match(/test\/[a-z0-9/.-]+/g) ?? [];
      expect([promise, files.length > 0, faults !== ""]).toEqual([promise, true, true]);
      expect(files.filter((file) => !existsSync(ROOT + file))).toEqual([]);
    }
  });

  test("has every HTTP route that there is, and no other", async () => {
    using rig = await Rig.open();
    const { operations } = await rig.answers();
    const documented = rows("HTTP", /^[A-Z]+, |^[A-Z]+ \//).flatMap(([cell = ""]) => routesIn(cell));
    // The page of text is for people.
    expect(documented.toSorted()).toEqual([...operations, "GET /"].toSorted());
  });

  test("has every endpoint as it is, and no other", () => {
    expect(rows("Endpoints", /^\//)).toEqual(
      ENDPOINTS.map(({ path, refusesBy, readsCookies, greeting, topic, permission }) => [
        ...[path, refusesBy, readsCookies ? "read" : "ignored", greeting],
        ...[topic ?? "", permission ?? ""],
      ]),
    );
  });

  test("says which endpoint is deprecated, and what takes its place", () => {
    for (const { path, deprecation } of ENDPOINTS) {
      expect(section("Endpoints").includes(`**\`${path}\`** is deprecated`)).toBe(deprecation !== null);
      if (deprecation !== null) {
        const [, successor = ""] = /^<(.+)>; rel="successor-version"$/.exec(deprecation["Link"] ?? "") ?? [];
        expect(findEndpoint(successor)?.endpoint.deprecation).toBeNull();
      }
    }
  });

  test("has every section that the code refers to", () => {
    const headings = new Set([...PROTOCOL.matchAll(/^#{2,3} (.+)$/gm)].map(([, title = ""]) => title));
    const references = sourcesOf("src").flatMap((text) =>
      [...text.matchAll(/docs\/protocol\.md, ((?:"[^"\n]+"(?: and )?)+)/g)].flatMap(([, titles = ""]) =>
        [...titles.matchAll(/"([^"]+)"/g)].map(([, title = ""]) => title),
      ),
    );
    expect(references.length).toBeGreaterThan(5);
    expect(references.filter((title) => !headings.has(title))).toEqual([]);
  });
});

const NAMES = /[A-Za-z_]\w*/g;

/** The first cells that fit, each with the names that its second cell has as code, and those of the rows to which that one refers. */
function spans(title: string, first: RegExp): [string, string[]][] {
  const known = new Map<string, string[]>();
  let above: string[] = [];
  for (const line of section(title).split("\n")) {
    const [, head = "", cell = ""] = line.split("|").map((each) => each.trim());
    // What stands behind a colon explains.
    const [fields = ""] = cell.split(/(?<=`): /);
    const [, name] = first.exec(head) ?? [];
    if (name === undefined) continue;
    const [reference, other = ""] = /all of `([a-z_]+)`/.exec(fields) ?? [];
    const own = fields.replace(reference ?? "", "").matchAll(/`(\w[^`]*)`/g);
    const names = [...own].flatMap(([, text = ""]) => text.match(NAMES) ?? []);
    if (!fields.startsWith("the same")) above = [...names, ...(known.get(other) ?? [])];
    known.set(name, above);
  }
  return [...known];
}

/** The names of all fields, those of objects within included, but not those of the messages that a frame carries. */
function fieldsIn(schema: unknown): Set<string> {
  const { entries, wrapped, item } = Object(schema);
  const inner = [wrapped, item].filter((each) => each !== undefined).flatMap((each) => [...fieldsIn(each)]);
  const own = Object.entries(Object(entries)).flatMap(([name, field]) => [name, ...fieldsIn(field)]);
  return new Set([...inner, ...own]);
}

/** `PUT, DELETE /a`, `GET /a, GET /b` and `GET /a, /b` are two routes each; what stands behind a `?` is no part of one. */
function routesIn(cell: string): string[] {
  const routes: string[] = [];
  let methods: string[] = [];
  let hasPath = false;
  for (const word of cell.split(/[\s,]+/)) {
    if (/^[A-Z]+$/.test(word)) {
      methods = hasPath ? [word] : [...methods, word];
      hasPath = false;
    } else if (word.startsWith("/")) {
      routes.push(...methods.map((method) => `${method} ${word.split("?")[0]}`));
      hasPath = true;
    }
  }
  return routes;
}

function fieldsOf(type: string): string[] {
  const schema = Object.entries(clientFrames).find(([name]) => name === type)?.[1];
  return schema === undefined ? [] : Object.keys(schema.entries);
}

describe("docs/operations.md", () => {
  test("lists every audit event that is recorded, with its level", () => {
    const text = readFileSync(`${ROOT}docs/operations.md`, "utf8");
    const listed = [...text.matchAll(/^\| `([a-z]+\.[a-z]+)` +\| (info|warning|high) /gm)].map(([, name, level]) => [
      name,
      level,
    ]);
    const code = ["src/hub", "src/api"].flatMap(sourcesOf).join("\n");
    const recorded = new Set([...code.matchAll(EVENT)].map(([, name]) => name));
    expect(new Set(listed.map(([name]) => name))).toEqual(recorded);
    const levels = new Map<string | undefined, string>(Object.entries(AUDIT_EVENTS));
    for (const [name, level] of listed) expect([name, levels.get(name)]).toEqual([name, level]);
  });
});
