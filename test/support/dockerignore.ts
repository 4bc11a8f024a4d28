/** `.dockerignore`: which paths of a checkout a builder never sees. */

interface Rule {
  readonly pattern: Bun.Glob;
  readonly isExcluding: boolean;
}

/**
 * True for a path that is kept out. The last rule that fits a path or a folder above it decides, as in Docker. Only plain paths and `*`
 * are known; anything else is refused.
 */
export function parseDockerignore(text: string): (path: string) => boolean {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  const rules = lines.map((line): Rule => {
    const [, bang = "", pattern = ""] = /^(!?)([A-Za-z0-9_.*/-]+)$/.exec(line) ?? [];
    if (pattern === "" || pattern.startsWith("/")) throw new Error(`not known in .dockerignore: ${line}`);
    return { pattern: new Bun.Glob(pattern), isExcluding: bang === "" };
  });
  return (path) => {
    const parts = path.split("/");
    const selfAndAbove = parts.map((_, index) => parts.slice(0, index + 1).join("/"));
    const decisive = rules.findLast(({ pattern }) => selfAndAbove.some((candidate) => pattern.match(candidate)));
    return decisive?.isExcluding ?? false;
  };
}
