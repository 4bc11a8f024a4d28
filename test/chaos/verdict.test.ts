import { describe, expect, test } from "bun:test";
import { placeAt, Story } from "./story.ts";
import { tableOf } from "./table.ts";
import { MAX_FINDINGS, verdictOf } from "./verdict.ts";

const RUN = { profile: "test", seed: 7 };

/** One member that gets everything, one that recovers, one that is told of a loss, one that loses. */
function eventful(): Story {
  const story = new Story().join("ann", 0).join("ben", 0).join("cat", 0).join("dan", 0).fault("cut", "ben and cat");
  story.end("ben").end("cat").attempt("m9").refusal("m9");
  for (const offset of [1, 2, 3]) story.publish(offset).receive("ann", offset);
  story.receive("dan", 1).receive("dan", 1).attempt("m3").ack(3).fault("heal");
  story.rejoin("ben", placeAt(0), placeAt(3), true).recover("ben", 1, 2, 3);
  story.rejoin("cat", placeAt(0), placeAt(3), false);
  return story.stop("ann", "ben", "cat", "dan");
}

test("a verdict counts what was sent, what came which way, and what became of each member", () => {
  const verdict = verdictOf(RUN, eventful().entries);
  expect(verdict).toMatchObject({
    ...RUN,
    ok: false,
    ...{ acked: 3, attempts: 5, refused: 1 },
    ...{ receivedLive: 4, recovered: 3, gapSignalled: 3, silentlyLost: 2, duplicates: 1 },
    ...{ misordered: 0, phantoms: 0, diverging: 0, retriedTwice: 0, repeatedAcrossEpochs: 0 },
    ...{ presenceDiverging: 0, barredDeliveries: 0, reconnects: 2 },
    faults: [{ name: "cut" }, { name: "heal" }],
    findingCounts: { lost: 1 },
    findings: [{ check: "lost", client: "dan", topic: "room:r", epoch: "e1", offset: 2, id: "m2" }],
  });
  const topic = "room:r";
  expect(verdict.clients).toEqual([
    { client: "ann", topic, expected: 3, live: 3, recovered: 0, gap: 0, lost: 0 },
    { client: "ben", topic, expected: 3, live: 0, recovered: 3, gap: 0, lost: 0 },
    { client: "cat", topic, expected: 3, live: 0, recovered: 0, gap: 3, lost: 0 },
    { client: "dan", topic, expected: 3, live: 1, recovered: 0, gap: 0, lost: 2 },
  ]);
});

test("the longest blackout is that from the first end to the next join, over failed attempts, and not behind a stop", () => {
  const story = new Story().join("ann", 0).publish(1).receive("ann", 1).end("ann").end("ann");
  story.rejoin("ann", placeAt(1), placeAt(1), true).stop("ann").end("ann", 1000).publish(2).publish(3);
  expect(verdictOf(RUN, story.entries)).toMatchObject({ ok: true, reconnects: 1, maxBlackoutMs: 2 });
});

test("a verdict says the same once it was written as JSON", () => {
  const verdict = verdictOf(RUN, eventful().entries);
  expect(JSON.parse(JSON.stringify(verdict))).toEqual(verdict as never);
});

describe("findings", () => {
  /** Every second message does not come; half of them come twice with another text. */
  function flooded(): Story {
    const story = new Story().join("ann", 0);
    for (let offset = 1; offset <= 400; offset++) {
      story.publish(offset);
      if (offset % 2 === 0) story.receive("ann", offset).receive("ann", offset, { payload: "x" });
    }
    return story.stop("ann");
  }

  test("are bounded, all are counted, and one kind does not hide another", () => {
    const { findings, findingCounts } = verdictOf(RUN, flooded().entries);
    expect(findingCounts).toEqual({ lost: 200, duplicated: 200 });
    expect(findings.length).toBe(MAX_FINDINGS);
    expect(findings.filter(({ check }) => check === "lost").length).toBe(MAX_FINDINGS / 2);
  });

  test("are one for a hole of many messages", () => {
    const story = new Story().join("ann", 0);
    for (let offset = 1; offset <= 100; offset++) story.publish(offset);
    const { silentlyLost, findingCounts } = verdictOf(RUN, story.receive("ann", 100).stop("ann").entries);
    expect(silentlyLost).toBe(99);
    expect(findingCounts).toEqual({ lost: 1 });
  });

  test("are in the table as far as the verdict has them", () => {
    const table = tableOf(verdictOf(RUN, flooded().entries));
    expect(table).toContain("test, seed 7: 400 findings");
    expect(table).toContain("and 350 more");
  });
});

describe("the table", () => {
  test("has the counts, the faults, a line for each topic and one for who lost something", () => {
    const lines = tableOf(verdictOf(RUN, eventful().entries)).split("\n");
    expect(lines).toContainEqual(expect.stringMatching(/^lost silently +2$/));
    expect(lines).toContainEqual(expect.stringMatching(/^room:r +all 4 +12 +4 +3 +3 +2$/));
    expect(lines).toContainEqual(expect.stringMatching(/^room:r +dan +3 +1 +0 +0 +2$/));
    expect(lines).toContain("fault: cut ben and cat");
    expect(lines).toContainEqual(expect.stringMatching(/^lost: room:r dan offset 2/));
  });

  test("stays short when there are many topics, members and faults", () => {
    const story = new Story();
    for (let i = 0; i < 1_000; i++) {
      const topic = `room:r${i}`;
      const id = `m${i}`;
      story.fault("cut", `client ${i}`).attempt(id, { topic }).join(`s${i}`, 0, { topic }).ack(1, { topic, id });
    }
    const table = tableOf(verdictOf(RUN, story.entries));
    expect(table.split("\n").length).toBeLessThan(120);
    expect(table).toContain("fault: cut, 1000 times");
    expect(table).toMatch(/^others +all 980 /m);
  });
});
