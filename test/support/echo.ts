import * as v from "valibot";
import { createBunEngine } from "../../src/engine/bun.ts";
import type { EngineOptions } from "../../src/engine/engine.ts";
import { type EchoState, startEchoOn } from "./echo-server.ts";
import { IS_UWS, onUws } from "./second-engine.ts";

/** The engine with the least that can stand on it: every message goes back to its sender, `/refuse` is not upgraded. */
export interface EchoServer {
  readonly port: number;
  state(): Promise<EchoState>;
  stop(): Promise<void>;
}

const OPTIONS: EngineOptions = {
  host: "127.0.0.1",
  port: 0,
  unixSocket: null,
  maxMessageBytes: 65_536,
  maxUnsentBytes: 1_048_576,
  maxBodyBytes: 65_536,
};

export async function startEcho(): Promise<EchoServer> {
  if (!IS_UWS) {
    const { address, state, stop } = await startEchoOn(createBunEngine, OPTIONS);
    return { port: address.port, state: () => Promise.resolve(state()), stop };
  }
  const server = await onUws({ start: "echo", options: OPTIONS });
  return {
    port: server.address.port,
    state: async () => v.parse(State, await server.state()),
    stop: () => server.stop(),
  };
}

const State = v.object({ received: v.number(), failures: v.array(v.string()), open: v.number() });
