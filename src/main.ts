import { readFileSync } from "node:fs";
import { ConfigError, EXIT_CONFIG, loadConfig, type Config, type Environment, type ReadToml } from "./config.ts";
import { startNode, type RunningNode } from "./node.ts";

/** A crashed process may not be able to finish its drain: it gets this much longer than the drain itself. */
const CRASH_GRACE_MS = 5000;

/** Runs the node until a signal or a crash; the result is the exit status. `readToml` is for a runtime without a reader of its own. */
export async function start(env: Environment, readToml?: ReadToml): Promise<number> {
  const ending = Promise.withResolvers<number>();
  // A disk that is full, or a reader that has gone, must not end a node for the sake of its start line.
  for (const output of [process.stdout, process.stderr]) output.on("error", () => {});
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => ending.resolve(0));

  let config: Config | null = null;
  let node: RunningNode;
  try {
    const loaded = loadConfig(env, (path) => readFileSync(path, "utf8"), readToml);
    config = loaded.config;
    for (const warning of loaded.warnings) process.stderr.write(`tautline: warning: ${warning}\n`);
    node = await startNode(config);
  } catch (error) {
    process.stderr.write(`tautline: ${reason(error, config)}\n`);
    return error instanceof ConfigError ? EXIT_CONFIG : 1;
  }

  const limitMs = config.drainDelayMs + config.drainMs + CRASH_GRACE_MS;
  const crashed = (error: unknown): void => {
    if (process.exitCode === 1) return; // what goes wrong while it drains has the same cause, or is no matter any more
    process.exitCode = 1;
    process.stderr.write(crashRecord(error));
    setTimeout(() => process.exit(), limitMs).unref();
    ending.resolve(1);
  };
  process.on("uncaughtException", crashed).on("unhandledRejection", crashed);
  process.stdout.write(`${node.summary}\n`);
  const status = await ending.promise;
  await node
    .drain()
    .then(() => node.stop())
    .catch(crashed);
  return process.exitCode === 1 ? 1 : status;
}

function reason(error: unknown, config: Config | null): string {
  if (!(error instanceof Error)) return "unknown failure";
  const isInUse = [codeOf(error), codeOf(error.cause)].includes("EADDRINUSE");
  if (!isInUse || config === null || config.unixSocket !== null) return error.message;
  return `port ${config.port} on ${config.host} is in use: stop what listens there, or set another PORT`;
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** Neither message nor stack: both may quote what a client sent. */
function crashRecord(error: unknown): string {
  const name = error instanceof Error ? error.name : typeof error;
  return `${JSON.stringify({ level: "fatal", time: Date.now(), msg: "uncaught", error: name, code: codeOf(error) })}\n`;
}

if (import.meta.main) process.exit(await start(process.env));
