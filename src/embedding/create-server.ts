import { ValidatedTokens } from "../auth/token-validator.ts";
import { ConfigError, inOptions, type SettingInputs } from "../config.ts";
import { startNode } from "../node.ts";
import type { Embedding, EmbeddingPorts } from "../node-parts.ts";
import { applicationOf } from "./callbacks.ts";
import { type Checked, checkOptions } from "./options.ts";
import { authorizerOf } from "./permission-checker.ts";
import { Server } from "./server.ts";
import type { ListenTarget, ServerOptions } from "./server-options.ts";

/** A server that is not listening yet. */
export interface ServerBuilder {
  /**
   * Starts it. Rejects with `ConfigError` for what turns out wrong only now (a weak secret, a file that cannot be written), with an `Error`
   * when the address is in use. Once per builder.
   */
  listen(target: ListenTarget): Promise<Server>;
}

const PLACES = ["host", "port", "unixSocket"];

/**
 * A node as a part of an application: the same endpoints, limits and HTTP routes as the one that runs by itself. It reads neither the
 * environment nor a file, and installs no signal handlers: `stop` it. The rules are those of production: one of `jwtSecret`,
 * `jwtPublicKey`, `jwksUrl` or `tokenValidator` is needed, `accounts` are off, `/metrics` needs `metricsToken`. Throws `ConfigError`
 * with everything that is wrong with the options.
 */
export function createServer<Data = unknown>(options: ServerOptions<Data>): ServerBuilder {
  const misplaced = Object.keys(options).filter((key) => PLACES.includes(key));
  if (misplaced.length > 0) {
    throw new ConfigError(misplaced.map((name) => ({ name, problem: "is not an option: say it to listen" })));
  }
  check(options, {});
  let isUsed = false;
  return {
    async listen(target) {
      if (isUsed) throw new Error("listen was called before: create another server");
      isUsed = true;
      const { config, warnings, logTarget } = check(options, placeOf(target));
      const application = (ports: EmbeddingPorts): Embedding => embeddingOf(options, ports);
      try {
        const running = await startNode(config, { logTarget, application });
        for (const warning of warnings) running.log.warn({ warning }, "configuration");
        const { defaultRole } = config;
        return new Server({ running, defaultRole, followersOf: options.followersOf ?? null });
      } catch (error) {
        throw inOptions(error);
      }
    },
  };
}

function check<Data>(options: ServerOptions<Data>, place: SettingInputs): Checked {
  const { tokenValidator, permissionChecker, followersOf, onConnect, onDisconnect, onMessage, ...rest } = options;
  const { namespaces, permissions, publicTopics, logTarget, ...settings } = rest;
  const functions = { tokenValidator, permissionChecker, followersOf, onConnect, onDisconnect, onMessage };
  const access = { namespaces, permissions, publicTopics };
  return checkOptions(
    { ...settings, ...place },
    { tokenValidator, permissionChecker, logTarget, ...access },
    functions,
  );
}

function placeOf(target: ListenTarget): SettingInputs {
  if (typeof target === "number") return { port: target };
  return "unix" in target ? { unixSocket: target.unix } : { host: target.host, port: target.port };
}

function embeddingOf<Data>(options: ServerOptions<Data>, ports: EmbeddingPorts): Embedding {
  const { tokenValidator, permissionChecker } = options;
  const { config, clock, report } = ports;
  return {
    authorizer: permissionChecker === undefined ? null : authorizerOf(permissionChecker, ports),
    authenticator: (own) =>
      tokenValidator === undefined ? own : new ValidatedTokens(own, tokenValidator, config, ports),
    application: applicationOf(options, { report, nowMs: () => clock.now() }),
  };
}
