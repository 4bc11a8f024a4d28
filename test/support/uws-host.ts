import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { parse } from "smol-toml";
import { loadConfig } from "../../src/config.ts";
import type { Address } from "../../src/engine/engine.ts";
import { createUwsEngine } from "../../src/engine/uws.ts";
import { startNode } from "../../src/node.ts";
import { addWhatIsMissing } from "../../src/node-20.ts";
import { startContractServer } from "../contract/engine-server.ts";
import { type EchoState, startEchoOn } from "./echo-server.ts";
import type { UwsCommand } from "./uws-process.ts";

/** A process on Node with whatever of the tests stands on the second engine. A line in starts something or asks it; a line out answers. */

interface Hosted {
  readonly address: Address;
  readonly state?: () => EchoState;
  readonly drain?: () => Promise<void>;
  stop(): Promise<void>;
}

function start(command: UwsCommand): Promise<Hosted> {
  if (command.start === "contract") return startContractServer(createUwsEngine, command.options);
  if (command.start === "echo") return startEchoOn(createUwsEngine, command.options);
  const { config } = loadConfig(command.env, (path) => readFileSync(path, "utf8"), parse);
  return startNode(config, { logTarget: command.log, nodeTimes: command.nodeTimes });
}

const hosted = new Map<number, Hosted>();

async function answer({ of, ...asked }: { of: number; do: string; command?: UwsCommand }) {
  const found = hosted.get(of);
  switch (asked.do) {
    case "start": {
      if (asked.command === undefined) throw new Error("start what?");
      const started = await start(asked.command);
      hosted.set(of, started);
      return started.address;
    }
    case "state":
      return found?.state?.();
    case "drain":
      return await found?.drain?.();
    case "beginDrain":
      return void found?.drain?.();
    case "stop":
      return await found?.stop();
  }
}

function say(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

addWhatIsMissing();
const commands = createInterface({ input: process.stdin });
// What a test that failed has left behind must not outlive the tests: it holds their output.
commands.on("close", () => process.exit(0));
commands.on("line", (line) => {
  const { id, ...asked } = JSON.parse(line);
  answer(asked).then(
    (value) => say({ id, value }),
    (error: unknown) => say({ id, error: error instanceof Error ? error.message : String(error) }),
  );
});
