import { expect, test } from "bun:test";
import { createLoopDelay } from "../../src/observe/loop-delay.ts";

const nextTurn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

test("the loop delay rises with a blocked loop and starts anew with every sample", async () => {
  const delay = createLoopDelay();
  expect(delay.p99Ms()).toBe(0);
  while (delay.p99Ms() < 40) {
    const until = performance.now() + 80;
    while (performance.now() < until);
    await nextTurn();
    delay.sample();
  }
  while (delay.p99Ms() >= 40 || delay.p99Ms() === 0) {
    for (let turn = 0; turn < 50; turn += 1) await nextTurn();
    delay.sample();
  }
  expect(delay.p99Ms()).toBeLessThan(40);
  delay.stop();
});
