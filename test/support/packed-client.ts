import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** What `npm pack` makes, unpacked where an application would have it, and nothing else is installed there. */
export class PackedClient {
  /** Of the application. */
  readonly folder = mkdtempSync(join(tmpdir(), "tautline-pack-"));
  /** Of the package inside of it. */
  readonly package = join(this.folder, "node_modules/tautline");

  constructor() {
    const pack = ["npm", "pack", "--silent", "--pack-destination", this.folder];
    // npm runs the build with the Bun that runs this test.
    const path = `${join(process.execPath, "..")}:${process.env["PATH"] ?? ""}`;
    this.#run(pack, ROOT, {
      ...process.env,
      PATH: path,
      npm_config_offline: "true",
      npm_config_update_notifier: "false",
    });
    const [archive = ""] = readdirSync(this.folder).filter((name) => name.endsWith(".tgz"));
    mkdirSync(this.package, { recursive: true });
    this.#run(["tar", "-xzf", join(this.folder, archive), "-C", this.package, "--strip-components=1"], this.folder);
    this.write("package.json", JSON.stringify({ type: "module" }));
  }

  /** Paths in the package, sorted. */
  get files(): readonly string[] {
    return [...new Bun.Glob("**/*").scanSync({ cwd: this.package, dot: true })].toSorted();
  }

  read(path: string): string {
    return readFileSync(join(this.package, path), "utf8");
  }

  has(path: string): boolean {
    return existsSync(join(this.package, path));
  }

  /** A file of the application. */
  write(name: string, text: string): string {
    const path = join(this.folder, name);
    writeFileSync(path, text);
    return path;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  #run(command: string[], cwd: string, env: NodeJS.ProcessEnv = process.env): void {
    const { success, stderr } = Bun.spawnSync(command, { cwd, env, stdout: "ignore", stderr: "pipe" });
    if (!success) throw new Error(`${command.join(" ")}: ${stderr.toString()}`);
  }
}
