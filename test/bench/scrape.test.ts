import { expect, test } from "bun:test";
import { Scrape } from "../../bench/load/scrape.ts";
import { createMetrics } from "../../src/observe/metrics.ts";

function sources(connections: number): Parameters<typeof createMetrics>[0] {
  const none = (): number => 0;
  return {
    ...{ connections: () => connections, users: none, topics: none, memberships: none },
    ...{ brokerUp: () => true, keysReady: () => true, evictedTopics: none, droppedMessageIds: none },
    ...{ nodes: none, busRoundTripS: none, commandsInFlight: none, reconnects: none, busRejected: () => ({}) },
    ...{ auditErrors: none, auditLost: none, logErrors: none, logLost: none, state: () => null },
  };
}

test("a scrape tells the connections, and the bound of the worst second since another one", async () => {
  const metrics = createMetrics(sources(12), { codes: [], closeCodes: [], frameTypes: [] });
  metrics.eventLoopDelay.observe(3);
  const before = new Scrape(await metrics.render());
  metrics.eventLoopDelay.observe(0.004);
  metrics.eventLoopDelay.observe(0.03);
  metrics.eventLoopDelay.observe(0.02);
  const after = new Scrape(await metrics.render());
  expect(after.connections).toBe(12);
  expect(after.loopDelayMs(before)).toBe(50);
  expect(after.loopDelayMs(after)).toBeNaN();
});
