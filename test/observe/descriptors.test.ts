import { expect, test } from "bun:test";
import { connectionsFor, descriptorLimit } from "../../src/observe/descriptors.ts";

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
