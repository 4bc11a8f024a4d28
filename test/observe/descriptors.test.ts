import { expect, test } from "bun:test";
import { DescriptorWatch } from "../../src/observe/descriptor-watch.ts";
import { connectionsFor, descriptorLimit, hasFreeDescriptor } from "../../src/observe/descriptors.ts";
import { FakeClock } from "../support/clock.ts";

const LIMITS = `Limit                     Soft Limit           Hard Limit           Units
Max processes             95000                95000                processes
Max open files            20000                20000                files
`;

test("the limit of descriptors is the soft one, and none where the system tells none", () => {
  expect(descriptorLimit(LIMITS)).toBe(20_000);
  expect(descriptorLimit(LIMITS.replace("20000    ", "unlimited"))).toBeNull();
  expect(descriptorLimit("")).toBeNull();
});

test("connections leave descriptors for everything else, however few there are", () => {
  expect([20_000, 300, 10].map(connectionsFor)).toEqual([19_744, 150, 5]);
  expect(connectionsFor(null)).toBeNull();
});

test("descriptors are exhausted as long as none was free, and for a second behind that", async () => {
  expect(hasFreeDescriptor()).toBe(true);
  const clock = new FakeClock();
  let [isFree, asked] = [true, 0];
  const watch = new DescriptorWatch(clock, () => {
    asked += 1;
    return isFree;
  });
  const hasAsked = (): number => asked;
  const turns = async (count: number): Promise<void> => {
    const wanted = asked + count;
    do await new Promise((resolve) => setImmediate(resolve));
    while (hasAsked() < wanted);
  };
  watch.sample();
  expect([watch.isExhausted, asked]).toEqual([false, 1]);
  isFree = false;
  watch.sample();
  clock.advance(60_000);
  await turns(3);
  expect(watch.isExhausted).toBe(true);
  isFree = true;
  clock.advance(999);
  await turns(3);
  isFree = false;
  await turns(1);
  isFree = true;
  clock.advance(999);
  await turns(3);
  expect(watch.isExhausted).toBe(true);
  clock.advance(1);
  await turns(1);
  expect(watch.isExhausted).toBe(false);
});

test("a watch that is stopped asks no more", async () => {
  let asked = 0;
  const watch = new DescriptorWatch(new FakeClock(), () => {
    asked += 1;
    return false;
  });
  watch.sample();
  watch.stop();
  const before = asked;
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  expect(asked).toBe(before);
});
