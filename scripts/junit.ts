/** Reads what `bun test --reporter=junit` writes. */

export interface Skip {
  readonly file: string;
  readonly title: string;
}

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skips: readonly Skip[];
}

const ENTITIES: Readonly<Record<string, string>> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };

function decode(text: string): string {
  return text.replace(/&(?:#(\d+)|(lt|gt|quot|apos|amp));/g, (whole, number?: string, name?: string) =>
    number === undefined ? (ENTITIES[name ?? ""] ?? whole) : String.fromCodePoint(Number(number)),
  );
}

function attribute(tag: string, name: string): string {
  return decode(new RegExp(`\\s${name}="([^"]*)"`).exec(tag)?.[1] ?? "");
}

/** Null when the report is incomplete: the runner ended before it had written it, or its sums disagree. */
export function readJunit(xml: string): Counts | null {
  const root = /<testsuites\s[^>]*>/.exec(xml)?.[0];
  if (root === undefined || !xml.trimEnd().endsWith("</testsuites>")) return null;
  let passed = 0;
  let failed = 0;
  const skips: Skip[] = [];
  for (const [, attributes = "", body = ""] of xml.matchAll(
    /<testcase((?:\s[\w-]+="[^"]*")*)\s*(?:\/>|>([\s\S]*?)<\/testcase>)/g,
  )) {
    if (/<(?:failure|error)[\s>/]/.test(body)) failed++;
    else if (!/<skipped[\s>/]/.test(body)) passed++;
    else {
      const titles = [attribute(attributes, "classname"), attribute(attributes, "name")];
      skips.push({ file: attribute(attributes, "file"), title: titles.filter((title) => title !== "").join(" > ") });
    }
  }
  if (Number(attribute(root, "tests")) !== passed + failed + skips.length) return null;
  return { passed, failed, skips };
}
