import { afterEach, describe, expect, test } from "bun:test";
import { deliveryPromises } from "./engine-delivery.ts";
import { endingPromises } from "./engine-endings.ts";
import { handshakePromises } from "./engine-handshake.ts";
import { httpPromises } from "./engine-http.ts";
import { EngineSuite, type EngineUnderTest } from "./engine-suite.ts";

/** Every promise of `src/engine/engine.ts`, as a suite that each engine runs. */
export function engineContract(engine: EngineUnderTest): void {
  const suite = new EngineSuite(engine);

  describe(`the engine contract on ${engine.name}`, () => {
    afterEach(suite.cleanUp);
    handshakePromises(suite);
    deliveryPromises(suite);
    endingPromises(suite);
    httpPromises(suite);

    test("every promise that is skipped exists", () => {
      const unknown = engine.skip.flatMap(({ tests }) => tests).filter((title) => !suite.titles.has(title));
      expect(unknown).toEqual([]);
    });
  });
}
