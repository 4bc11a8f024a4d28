import { accessSync, constants } from "node:fs";

export interface Program {
  /** Where it is; null when it is not installed. */
  readonly path: string | null;
  /** To append to the title of a skipped suite: names the Debian package to install. "" when the program is there. */
  readonly skipReason: string;
}

/** Debian keeps servers such as nginx where the PATH of ordinary users does not lead. */
const SYSTEM_FOLDERS = ["/usr/sbin", "/usr/local/sbin", "/sbin"];

function find(name: string): string | null {
  const onPath = Bun.which(name);
  if (onPath !== null) return onPath;
  for (const folder of SYSTEM_FOLDERS) {
    const path = `${folder}/${name}`;
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      continue;
    }
  }
  return null;
}

/**
 * A program that a suite runs and that is not part of Tautline. Use:
 * `describe.skipIf(redis.path === null)(`the Redis broker${redis.skipReason}`, () => …)`.
 */
export function program(name: string, debianPackage: string): Program {
  const path = find(name);
  return { path, skipReason: path === null ? ` (needs ${name}: install the package ${debianPackage})` : "" };
}

/** A Python that has the module, which another one on the PATH may lack. */
export function pythonWith(module: string, debianPackage: string): Program {
  const candidates = [Bun.which("python3"), "/usr/bin/python3"].filter((path) => path !== null);
  const path = candidates.find((python) => {
    try {
      return Bun.spawnSync([python, "-c", `import ${module}`], { stdio: ["ignore", "ignore", "ignore"] }).success;
    } catch {
      return false;
    }
  });
  const skipReason = ` (needs ${debianPackage}: install the package ${debianPackage})`;
  return path === undefined ? { path: null, skipReason } : { path, skipReason: "" };
}

const SKIP_REASON = /\(needs [^\s:]+: install the package ([^\s)]+)\)/;

/** The package that a title with a `skipReason` names; null for any other title. */
export function missingPackage(title: string): string | null {
  return SKIP_REASON.exec(title)?.[1] ?? null;
}
