import { createInterface } from "node:readline";
import type { EngineOptions } from "../../src/engine/engine.ts";
import { createUwsEngine } from "../../src/engine/uws.ts";
import { type RunningEngine, startContractServer } from "./engine-server.ts";

/**
 * A process that runs servers of the engine suite on the second engine. A line in asks for one, or ends one; a line out answers it. Bundled for
 * Node by `engine-uws-process.ts`.
 */

const running = new Map<number, RunningEngine>();
const say = (answer: object): void => void process.stdout.write(`${JSON.stringify(answer)}\n`);

async function start(id: number, options: EngineOptions): Promise<void> {
  try {
    const engine = await startContractServer(createUwsEngine, options);
    running.set(id, engine);
    say({ id, address: engine.address });
  } catch (error) {
    say({ id, error: String(error) });
  }
}

async function stop(id: number): Promise<void> {
  await running.get(id)?.stop();
  say({ id });
}

createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, options } = JSON.parse(line);
  void (options === undefined ? stop(id) : start(id, options));
});
