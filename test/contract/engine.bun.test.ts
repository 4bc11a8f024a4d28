import { createBunEngine } from "../../src/engine/bun.ts";
import { engineContract } from "./engine.ts";
import { startContractServer } from "./engine-server.ts";

engineContract({
  name: "Bun",
  start: (options) => startContractServer(createBunEngine, options),
  answersPipelined: true,
  skip: [],
});
