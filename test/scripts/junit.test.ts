import { describe, expect, test } from "bun:test";
import { readJunit } from "../../scripts/junit.ts";
import { missingPackage, program } from "../support/programs.ts";

const CASES = `
  <testsuite name="a.test.ts" file="a.test.ts" tests="3">
    <testcase name="holds" classname="rooms" time="0" file="a.test.ts" line="1" assertions="1" />
    <testcase name="breaks &lt;b&gt;" classname="" file="a.test.ts"><failure type="AssertionError" message="1 > 2">x</failure></testcase>
    <testcase name="waits" classname="rooms &amp; halls" file="a.test.ts">
      <skipped />
    </testcase>
  </testsuite>`;
const report = (tests: number): string =>
  `<?xml version="1.0"?>\n<testsuites name="bun test" tests="${tests}">${CASES}\n</testsuites>`;

describe("the report of the test runner", () => {
  test("is counted, with the titles of what was skipped", () => {
    expect(readJunit(report(3))).toEqual({
      passed: 1,
      failed: 1,
      skips: [{ file: "a.test.ts", title: "rooms & halls > waits" }],
    });
  });

  test("counts as missing when it is cut off", () => {
    expect(readJunit(report(3).slice(0, -20))).toBeNull();
    expect(readJunit("")).toBeNull();
  });

  test("counts as missing when its sum is not what it lists", () => {
    expect(readJunit(report(4))).toBeNull();
  });
});

describe("an outside program", () => {
  test("that is installed has a path and no reason to skip", () => {
    const { path, skipReason } = program("sh", "dash");
    expect(path).toEndWith("/sh");
    expect(skipReason).toBe("");
  });

  test("that is missing names its package in the title of the suite", () => {
    const { path, skipReason } = program("no-such-program", "no-such-package");
    expect(path).toBeNull();
    expect(missingPackage(`the Redis broker${skipReason} > publishes`)).toBe("no-such-package");
  });

  test("is not seen in the title of a test that is skipped for another reason", () => {
    expect(missingPackage("the Redis broker > publishes")).toBeNull();
  });
});
