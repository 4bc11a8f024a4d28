import { afterAll, beforeAll, describe } from "bun:test";
import { engineUws } from "../support/engine-uws.ts";
import { engineContract } from "./engine.ts";
import { UwsProcess } from "../support/uws-process.ts";

describe.skipIf(engineUws.nodePath === null)(`uWebSockets.js${engineUws.skipReason}`, () => {
  let node: UwsProcess;
  beforeAll(async () => {
    node = await UwsProcess.start();
  });
  afterAll(() => node.end());

  engineContract({
    name: "uWebSockets.js",
    start: (options) => node.run({ start: "contract", options }),
    answersPipelined: false,
    skip: [
      {
        reason: "the package drops what follows an upgrade in its packet",
        tests: ["that is answered at once loses no frame of its own packet"],
      },
      {
        reason: "the package answers 400 itself, without a header, and ends the connection",
        tests: ["is refused, and nothing behind it is answered, when there is no Host"],
      },
    ],
  });
});
