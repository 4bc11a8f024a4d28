import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

/**
 * A Lua script of this folder. Its first two lines name its keys and arguments, in their order:
 * `-- keys: meta, stream` and `-- args: epoch, limit`; the script finds them under those names.
 */
export class Script<K extends string, A extends string> {
  readonly name: string;
  readonly source: string;
  /** By which Redis knows it once it is loaded. */
  readonly sha1: string;
  readonly #keys: readonly K[];
  readonly #args: readonly A[];

  constructor(name: string, keys: readonly K[], args: readonly A[]) {
    this.name = name;
    this.#keys = keys;
    this.#args = args;
    const text = readFileSync(new URL(`./${name}.lua`, import.meta.url), "utf8");
    const declared = [`-- keys: ${keys.join(", ")}`, `-- args: ${args.join(", ")}`];
    if (
      text.split("\n").slice(0, 2).join("\n").replaceAll(/\s+$/gm, "") !== declared.join("\n").replaceAll(/\s+$/gm, "")
    ) {
      throw new Error(`${name}.lua does not begin with ${declared.join(" and ")}`);
    }
    // On the line of the first comment, so that the numbers of lines in errors stay true.
    const locals = [
      ...keys.map((key, index) => `local ${key} = KEYS[${index + 1}]`),
      ...args.map((arg, index) => `local ${arg} = ARGV[${index + 1}]`),
    ];
    this.source = `${locals.join(" ")} ${text}`;
    this.sha1 = createHash("sha1").update(this.source).digest("hex");
  }

  /** The command that runs it, to be given to `RedisConnection.command`. */
  command(keys: Readonly<Record<K, string>>, args: Readonly<Record<A, string>>): string[] {
    const command = ["EVALSHA", this.sha1, String(this.#keys.length)];
    for (const key of this.#keys) command.push(keys[key]);
    for (const arg of this.#args) command.push(args[arg]);
    return command;
  }
}
