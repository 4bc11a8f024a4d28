import { createBunEngine } from "./bun.ts";
import type { Engine, EngineOptions, Handler } from "./engine.ts";
import { createUwsEngine } from "./uws.ts";

/** The engine of the runtime: Bun has its own and cannot load the other, Node has none. */
export function createEngine<S>(options: EngineOptions, handler: Handler<S>): Engine {
  return typeof Bun === "undefined" ? createUwsEngine(options, handler) : createBunEngine(options, handler);
}
