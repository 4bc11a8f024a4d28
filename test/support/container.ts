import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Command } from "./dockerfile.ts";
import type { Image } from "./image.ts";

/**
 * Runs commands of an image as `docker run --read-only --cap-drop ALL --security-opt no-new-privileges` does: each as process 1 of its
 * own, with the image as its whole, read-only root, as the image's user without any capability. The network is the machine's.
 */

/** Arguments: root, bun, user, working directory, command. The mounts end with the command. */
const INSIDE = `set -e
root=$1 bun=$2 user=$3 workdir=$4
shift 4
mount --bind "$root" "$root"
mount --bind /lib "$root/lib"
if [ -d /lib64 ]; then mount --bind /lib64 "$root/lib64"; fi
mount --bind "$bun" "$root/usr/local/bin/bun"
mount --bind "$(command -v setpriv)" "$root/usr/local/bin/setpriv"
mount --bind /dev/null "$root/dev/null"
mount -t proc proc "$root/proc"
mount -o remount,bind,ro "$root"
unshare=$(command -v unshare)
export PATH=/usr/local/bin
exec "$unshare" --root="$root" --wd="$workdir" /usr/local/bin/setpriv \\
  --reuid="\${user%:*}" --regid="\${user#*:}" --clear-groups --bounding-set=-all --no-new-privs -- "$@"
`;
const FOLDERS = ["lib", "lib64", "proc"];
const FILES = ["usr/local/bin/bun", "usr/local/bin/setpriv", "dev/null"];
const SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin";
const NAMESPACES = ["--mount", "--pid", "--fork", "--kill-child"];
const START_TIMEOUT_MS = 15_000;

function canIsolate(): boolean {
  if (process.getuid?.() !== 0) return false;
  return spawnSync("unshare", [...NAMESPACES, "mount", "-t", "tmpfs", "none", "/mnt"]).status === 0;
}

/** "" where it works; else the reason, to append to the title of what is skipped. Then commands run as they can: without all that. */
export const isolationSkipReason = canIsolate() ? "" : " (needs root and the right to mount)";

export interface Ended {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

function execForm(command: Command | null): readonly string[] {
  if (command === null) return [];
  if (command.form === "shell") throw new Error(`there is no shell for: ${command.text}`);
  return command.argv;
}

function spawn(image: Image, argv: readonly string[], settings: Readonly<Record<string, string>>) {
  const env = { ...image.env, ...settings };
  const io = { stdin: "ignore", stdout: "pipe", stderr: "pipe" } as const;
  if (isolationSkipReason !== "") {
    const words = argv.map((word, index) => (index === 0 && word === "bun" ? process.execPath : word));
    return Bun.spawn(words, { cwd: join(image.root, image.workdir), env, ...io });
  }
  for (const path of FOLDERS) mkdirSync(join(image.root, path), { recursive: true });
  for (const path of FILES) {
    mkdirSync(dirname(join(image.root, path)), { recursive: true });
    closeSync(openSync(join(image.root, path), "a"));
  }
  const inside = [image.root, process.execPath, image.user ?? "0:0", image.workdir];
  return Bun.spawn(["unshare", ...NAMESPACES, "/bin/sh", "-c", INSIDE, "container", ...inside, ...argv], {
    env: { ...env, PATH: SYSTEM_PATH },
    ...io,
  });
}

/** What the image starts: its entrypoint with its command as arguments. */
export function startCommand(image: Image): readonly string[] {
  return [...execForm(image.entrypoint), ...execForm(image.command)];
}

/** Runs a command to its end, as `docker run --entrypoint` or a health check. */
export async function runIn(
  image: Image,
  command: Command | readonly string[],
  settings: Readonly<Record<string, string>>,
): Promise<Ended> {
  const child = spawn(image, "form" in command ? execForm(command) : command, settings);
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return { status: await child.exited, out, err };
}

/** The image's own command, from its start to its end. */
export class Container {
  readonly #child: ReturnType<typeof spawn>;
  readonly #said: Promise<string>;
  readonly port: Promise<number>;

  constructor(image: Image, settings: Readonly<Record<string, string>>) {
    const child = spawn(image, startCommand(image), settings);
    const port = Promise.withResolvers<number>();
    const timer = setTimeout(() => port.reject(new Error("the node did not listen")), START_TIMEOUT_MS);
    this.#child = child;
    this.port = port.promise.finally(() => clearTimeout(timer));
    const read = async (): Promise<string> => {
      let out = "";
      for await (const chunk of child.stdout) {
        out += Buffer.from(chunk).toString();
        const found = /listens on http:\/\/127\.0\.0\.1:(\d+)/.exec(out)?.[1];
        if (found !== undefined) port.resolve(Number(found));
      }
      const err = await new Response(child.stderr).text();
      port.reject(new Error(`the node ended before it listened: ${err}`));
      return out + err;
    };
    this.#said = read();
  }

  /** Of the node itself, as the machine counts. */
  get pid(): number {
    if (isolationSkipReason !== "") return this.#child.pid;
    const children = readFileSync(`/proc/${this.#child.pid}/task/${this.#child.pid}/children`, "utf8");
    return Number(children.trim());
  }

  signal(name: NodeJS.Signals): void {
    process.kill(this.pid, name);
  }

  /** The exit status, and all that it wrote. */
  async ended(): Promise<{ readonly status: number; readonly said: string }> {
    return { status: await this.#child.exited, said: await this.#said };
  }

  /**
   * Whatever state it is in. The node first: the namespace ends with it, and the signal that it was to get at the end of its parent was
   * cleared when it gave up its rights.
   */
  async kill(): Promise<void> {
    if (this.#child.exitCode === null && this.pid > 0) this.signal("SIGKILL");
    this.#child.kill("SIGKILL");
    await this.#child.exited;
  }
}
