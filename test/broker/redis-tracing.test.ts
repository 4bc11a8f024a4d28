import { expect, test } from "bun:test";
import { tracingChannel } from "node:diagnostics_channel";
import { completeTracing } from "../../src/broker/redis/tracing.ts";

const isHeard = (): unknown => Reflect.get(tracingChannel("tautline:test"), "hasSubscribers");

test("a tracing channel says whether anybody listens, as Node's do", () => {
  completeTracing();
  expect(isHeard()).toBe(false);
  const listener = { asyncEnd: () => undefined };
  const channel = tracingChannel("tautline:test");
  channel.asyncEnd.subscribe(listener.asyncEnd);
  expect(isHeard()).toBe(true);
  channel.asyncEnd.unsubscribe(listener.asyncEnd);
  expect(isHeard()).toBe(false);
});
