#!/usr/bin/env bun
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";

import { ConfigError, EXIT_CONFIG, loadConfig, type Config } from "./config.ts";

// The node itself is imported by the commands that need it, so that the others answer at once.

const USAGE = `Usage: tautline <command>

  start                                      run the node until SIGTERM or SIGINT
  check-config                               check environment and file, start nothing
  health                                     ask the node with these settings whether it serves
  user add NAME [--role ROLE] [--password-file FILE]
                                             add an account; the password comes from FILE, from standard input,
                                             or from a prompt, never from the command line
  user remove NAME                           end an account: its tokens are refused from now on
  token --sub ID [--username NAME] [--role ROLE] [--ttl SECONDS]
                                             print a signed token

Exit status: 0 done, 1 failed, 2 wrong usage, 78 wrong configuration.
`;

const EXIT_USAGE = 2;
const MAX_PASSWORD_BYTES = 1024;

/** What the person typed is wrong. The text is a constant: an argument may be a password in the wrong place. */
class UsageError extends Error {}

interface Arguments {
  readonly positionals: readonly string[];
  readonly options: Readonly<Record<string, string | undefined>>;
}

interface Command {
  readonly positionals: number;
  readonly options: readonly string[];
  run(given: Arguments): Promise<number>;
}

const COMMANDS: ReadonlyMap<string, Command> = new Map([
  ["start", { positionals: 0, options: [], run: startNode }],
  ["check-config", { positionals: 0, options: [], run: checkConfig }],
  ["health", { positionals: 0, options: [], run: health }],
  ["user add", { positionals: 1, options: ["role", "password-file"], run: userAdd }],
  ["user remove", { positionals: 1, options: [], run: userRemove }],
  ["token", { positionals: 0, options: ["sub", "username", "role", "ttl"], run: token }],
]);

async function startNode(): Promise<number> {
  const { start } = await import("./main.ts");
  return start(process.env);
}

function configure(): Config {
  const { config, warnings } = loadConfig(process.env, (path) => readFileSync(path, "utf8"));
  for (const warning of warnings) process.stderr.write(`tautline: warning: ${warning}\n`);
  return config;
}

async function checkConfig(): Promise<number> {
  const config = configure();
  const { checkSecret } = await import("./credentials.ts");
  checkSecret(config);
  process.stdout.write("The configuration is valid.\n");
  return 0;
}

async function health(): Promise<number> {
  const config = configure();
  const { isHealthy } = await import("./health-check.ts");
  if (await isHealthy(config)) {
    process.stdout.write("The node serves.\n");
    return 0;
  }
  process.stderr.write("tautline: the node does not answer\n");
  return 1;
}

async function userAdd({ positionals, options }: Arguments): Promise<number> {
  const [username = ""] = positionals;
  const config = configure();
  const password = await readPassword(options["password-file"]);
  const { addUser } = await import("./credentials.ts");
  const { id } = await addUser(config, username, password, options["role"] ?? config.defaultRole);
  process.stdout.write(`${id}\n`);
  return 0;
}

async function userRemove({ positionals }: Arguments): Promise<number> {
  const [username = ""] = positionals;
  const { removeUser } = await import("./credentials.ts");
  await removeUser(configure(), username);
  return 0;
}

async function token({ options }: Arguments): Promise<number> {
  const { sub, username, role, ttl } = options;
  if (sub === undefined || sub === "") throw new UsageError("token needs --sub");
  if (ttl !== undefined && !/^[1-9]\d{0,8}$/.test(ttl)) throw new UsageError("--ttl is a whole number of seconds");
  const config = configure();
  if (config.jwtSecret === null || config.generatedSecret) {
    throw new ConfigError([{ name: "JWT_SECRET", problem: "is not set: no node would accept the token" }]);
  }
  const { signToken } = await import("./credentials.ts");
  const claims = {
    sub,
    ttlS: ttl === undefined ? config.tokenTtlS : Number(ttl),
    ...(username === undefined ? {} : { username }),
    ...(role === undefined ? {} : { role }),
  };
  process.stdout.write(`${await signToken(config, claims)}\n`);
  return 0;
}

async function readPassword(file: string | undefined): Promise<string> {
  const text = file !== undefined ? readPasswordFile(file) : process.stdin.isTTY ? await prompt() : await readInput();
  const password = text.replace(/\r?\n$/, "");
  if (password === "") throw new Error("The password is empty.");
  if (Buffer.byteLength(password) > MAX_PASSWORD_BYTES) throw new Error("The password is over 1024 bytes.");
  return password;
}

function readPasswordFile(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    throw new Error("The file of --password-file cannot be read.");
  }
}

async function readInput(): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of process.stdin) {
    const part = Buffer.from(chunk);
    chunks.push(part);
    bytes += part.length;
    if (bytes > MAX_PASSWORD_BYTES + 2) break;
  }
  return Buffer.concat(chunks).toString();
}

/** Reads a line from the terminal without showing it. */
function prompt(): Promise<string> {
  const { stdin, stderr } = process;
  const answer = Promise.withResolvers<string>();
  let keys: string[] = [];
  const read = (chunk: string): void => {
    for (const key of chunk) {
      if (key === "\r" || key === "\n" || key === "\u0004") answer.resolve(keys.join(""));
      else if (key === "\u0003") answer.reject(new Error("Interrupted."));
      else if (key === "\u007f" || key === "\b") keys = keys.slice(0, -1);
      else if (keys.length <= MAX_PASSWORD_BYTES) keys.push(key);
    }
  };
  stderr.write("Password: ");
  stdin.setRawMode(true).setEncoding("utf8").on("data", read).resume();
  return answer.promise.finally(() => {
    stdin.off("data", read).pause().setRawMode(false);
    stderr.write("\n");
  });
}

function parse(argv: readonly string[]): { command: Command; given: Arguments } {
  const name = argv[0] === "user" ? argv.slice(0, 2).join(" ") : (argv[0] ?? "");
  const command = COMMANDS.get(name);
  if (command === undefined) throw new UsageError("no such command");
  const options = Object.fromEntries(command.options.map((option) => [option, { type: "string" } as const]));
  const args = argv.slice(name.split(" ").length);
  const { values, positionals } = parseOrRefuse(args, options);
  if (positionals.length !== command.positionals) throw new UsageError("wrong number of arguments");
  return { command, given: { positionals, options: values } };
}

function parseOrRefuse(args: string[], options: Record<string, { type: "string" }>) {
  try {
    return parseArgs({ args, options, allowPositionals: true, strict: true });
  } catch {
    throw new UsageError("unknown option, or an option without its value");
  }
}

async function main(argv: readonly string[]): Promise<number> {
  if (argv[0] === "help" || argv.some((argument) => argument === "--help" || argument === "-h")) {
    process.stdout.write(USAGE);
    return 0;
  }
  try {
    const { command, given } = parse(argv);
    return await command.run(given);
  } catch (error) {
    if (error instanceof UsageError) {
      process.stderr.write(`tautline: ${error.message}\n\n${USAGE}`);
      return EXIT_USAGE;
    }
    process.stderr.write(`tautline: ${error instanceof Error ? error.message : "unknown failure"}\n`);
    return error instanceof ConfigError ? EXIT_CONFIG : 1;
  }
}

process.exit(await main(process.argv.slice(2)));
