import { request } from "node:http";
import { ConfigError, type Config } from "./config.ts";

/** Asks a node on this machine whether it serves: for the health check of a container, which has no curl. */

const TIMEOUT_MS = 3_000;

/** Addresses to listen on that are none to connect to. */
const LOOPBACKS: ReadonlyMap<string, string> = new Map([
  ["0.0.0.0", "127.0.0.1"],
  ["::", "::1"],
]);

/**
 * Whether `/health` of the node with this configuration answers 200. By node:http, since `fetch` would ask the proxy of `HTTP_PROXY`
 * even for this machine.
 */
export function isHealthy({ host, port, unixSocket }: Config): Promise<boolean> {
  if (unixSocket === null && port === 0) {
    throw new ConfigError([{ name: "PORT", problem: "is 0: only the node knows which port it took" }]);
  }
  const target = unixSocket === null ? { host: LOOPBACKS.get(host) ?? host, port } : { socketPath: unixSocket };
  return new Promise((resolve) => {
    const asked = request({ ...target, path: "/health", signal: AbortSignal.timeout(TIMEOUT_MS) }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    asked.on("error", () => resolve(false)).end();
  });
}
