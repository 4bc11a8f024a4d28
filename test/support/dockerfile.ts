/** Reads a Dockerfile: the instructions that this project uses, in their plain forms. Anything else is refused, never skipped. */

export type Command =
  { readonly form: "exec"; readonly argv: readonly string[] } | { readonly form: "shell"; readonly text: string };

export type Instruction =
  | { readonly name: "WORKDIR"; readonly path: string }
  | {
      readonly name: "COPY";
      readonly from: string | null;
      readonly sources: readonly string[];
      readonly target: string;
    }
  | { readonly name: "RUN"; readonly command: Command }
  | { readonly name: "ENV"; readonly values: Readonly<Record<string, string>> }
  | { readonly name: "USER"; readonly user: string }
  | { readonly name: "EXPOSE"; readonly port: string }
  | { readonly name: "STOPSIGNAL"; readonly signal: string }
  | { readonly name: "HEALTHCHECK"; readonly options: Readonly<Record<string, string>>; readonly command: Command }
  | { readonly name: "ENTRYPOINT" | "CMD"; readonly command: Command };

export interface Stage {
  /** The image after FROM, or the name of an earlier stage. */
  readonly base: string;
  readonly name: string | null;
  readonly instructions: readonly Instruction[];
}

const READERS: Readonly<Record<string, (text: string) => Instruction>> = {
  WORKDIR: (text) => ({ name: "WORKDIR", path: absolute(plain(text)) }),
  COPY: readCopy,
  RUN: (text) => ({ name: "RUN", command: readCommand(text) }),
  ENV: readEnv,
  USER: (text) => ({ name: "USER", user: plain(text) }),
  EXPOSE: (text) => ({ name: "EXPOSE", port: plain(text) }),
  STOPSIGNAL: (text) => ({ name: "STOPSIGNAL", signal: plain(text) }),
  HEALTHCHECK: readHealthcheck,
  ENTRYPOINT: (text) => ({ name: "ENTRYPOINT", command: readCommand(text) }),
  CMD: (text) => ({ name: "CMD", command: readCommand(text) }),
};

export function parseDockerfile(text: string): Stage[] {
  const stages: { base: string; name: string | null; instructions: Instruction[] }[] = [];
  for (const line of logicalLines(text)) {
    const [, word = "", rest = ""] = /^(\S+)\s*(.*)$/s.exec(line) ?? [];
    if (word === "FROM") {
      const [, base = "", name = null] = /^([^\s$]+)(?:\s+AS\s+([a-z][a-z0-9-]*))?$/.exec(rest) ?? refuse(line);
      stages.push({ base, name, instructions: [] });
      continue;
    }
    const read = Object.hasOwn(READERS, word) ? READERS[word] : undefined;
    const stage = stages.at(-1);
    if (read === undefined || stage === undefined) return refuse(line);
    stage.instructions.push(read(rest));
  }
  return stages;
}

function refuse(line: string): never {
  throw new Error(`not known in a Dockerfile: ${line}`);
}

/** Without comments and empty lines, each with the lines that it goes on in. */
function logicalLines(text: string): string[] {
  if (/^#\s*(?:syntax|escape|check)\s*=/i.test(text)) refuse("a parser directive");
  const lines = text.split("\n").filter((line) => !/^\s*(?:#|$)/.test(line));
  return lines
    .join("\n")
    .replace(/\\\n/g, " ")
    .split("\n")
    .map((line) => line.trim());
}

/** One word, without quotes, variables and flags: those would need a shell or a builder. */
function plain(word: string): string {
  return /^[^\s"'$\\-][^\s"'$\\]*$/.test(word) ? word : refuse(word);
}

function absolute(path: string): string {
  return path.startsWith("/") && !path.split("/").includes("..") ? path : refuse(path);
}

function readCopy(text: string): Instruction {
  const words = text.split(/\s+/);
  const from = /^--from=(\S+)$/.exec(words[0] ?? "")?.[1] ?? null;
  const [target = "", ...sources] = words
    .slice(from === null ? 0 : 1)
    .map(plain)
    .toReversed();
  if (sources.length === 0) refuse(`COPY ${text}`);
  if (sources.length > 1 && !target.endsWith("/")) refuse(`COPY ${text}`);
  return { name: "COPY", from, sources: sources.toReversed(), target };
}

function readEnv(text: string): Instruction {
  const pairs = text
    .split(/\s+/)
    .map((word) => /^([A-Z][A-Z0-9_]*)=([^\s"'$\\]+)$/.exec(word) ?? refuse(`ENV ${text}`));
  return { name: "ENV", values: Object.fromEntries(pairs.map(([, name = "", value = ""]) => [name, value])) };
}

function readHealthcheck(text: string): Instruction {
  const [, flags = "", command = ""] =
    /^((?:--[a-z-]+=\S+\s+)*)CMD\s+(.*)$/s.exec(text) ?? refuse(`HEALTHCHECK ${text}`);
  const options = [...flags.matchAll(/--([a-z-]+)=(\S+)/g)].map(([, name = "", value = ""]) => [name, value]);
  return { name: "HEALTHCHECK", options: Object.fromEntries(options), command: readCommand(command) };
}

/** The exec form is JSON; anything else goes to a shell. */
function readCommand(text: string): Command {
  if (text.startsWith("--")) refuse(text);
  if (!text.startsWith("[")) return { form: "shell", text };
  const argv: unknown = JSON.parse(text);
  if (!Array.isArray(argv) || argv.length === 0) return refuse(text);
  return { form: "exec", argv: argv.map((word) => (typeof word === "string" ? word : refuse(text))) };
}
