import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

/** Of a script for several things at once. */
export interface More {
  readonly keys: readonly string[];
  readonly args: readonly string[];
}

const NO_MORE: More = { keys: [], args: [] };

/**
 * A Lua script of this folder. Its first lines name its keys and arguments, in their order, and its constants if it has any:
 * `-- keys: meta, stream`, `-- args: epoch, limit`, `-- constants: size`; the script finds them under those names. Constants are part of its text:
 * what is the same for every call is not sent with every call.
 */
export class Script<K extends string, A extends string> {
  readonly name: string;
  readonly source: string;
  /** By which Redis knows it once it is loaded. */
  readonly sha1: string;
  readonly #keys: readonly K[];
  readonly #args: readonly A[];

  constructor(name: string, keys: readonly K[], args: readonly A[], constants: Readonly<Record<string, number>> = {}) {
    this.name = name;
    this.#keys = keys;
    this.#args = args;
    const text = readFileSync(new URL(`./${name}.lua`, import.meta.url), "utf8");
    const declared = [`-- keys: ${keys.join(", ")}`, `-- args: ${args.join(", ")}`];
    const names = Object.keys(constants);
    if (names.length > 0) declared.push(`-- constants: ${names.join(", ")}`);
    const head = text.split("\n").slice(0, declared.length);
    if (declared.some((line, index) => line.trimEnd() !== head[index]?.trimEnd())) {
      throw new Error(`${name}.lua does not begin with ${declared.join(" and ")}`);
    }
    // On the line of the first comment, so that the numbers of lines in errors stay true.
    const locals = [
      ...keys.map((key, index) => `local ${key} = KEYS[${index + 1}]`),
      ...args.map((arg, index) => `local ${arg} = ARGV[${index + 1}]`),
      ...Object.entries(constants).map(([constant, value]) => `local ${constant} = ${value}`),
    ];
    this.source = `${locals.join(" ")} ${text}`;
    this.sha1 = createHash("sha1").update(this.source).digest("hex");
  }

  /** The command that runs it, to be given to `RedisConnection.command`. What there may be more of has no names, and stands behind what has. */
  command(keys: Readonly<Record<K, string>>, args: Readonly<Record<A, string>>, more: More = NO_MORE): string[] {
    const command = ["EVALSHA", this.sha1, String(this.#keys.length + more.keys.length)];
    for (const key of this.#keys) command.push(keys[key]);
    for (const key of more.keys) command.push(key);
    for (const arg of this.#args) command.push(args[arg]);
    for (const arg of more.args) command.push(arg);
    return command;
  }
}
