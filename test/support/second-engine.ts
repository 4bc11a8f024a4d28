import { type UwsCommand, UwsProcess, type UwsServer } from "./uws-process.ts";

/**
 * With `ENGINE=uws` every `TestNode` and every echo server runs on uWebSockets.js, in a process of Node, and every `NodeProcess` is the product
 * that was built for Node, as `on-bun.ts` says what is skipped.
 */
export const IS_UWS = process.env["ENGINE"] === "uws";

let shared: Promise<UwsProcess> | null = null;

export async function onUws(command: UwsCommand): Promise<UwsServer> {
  let host = await shared;
  // The runner ends all processes that began in a test which ran out of time.
  if (host === null || !host.isRunning) {
    shared = UwsProcess.start();
    host = await shared;
  }
  return host.run(command);
}
