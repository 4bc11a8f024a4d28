import { describe, expect, test } from "bun:test";
import type { CheckName } from "./check.ts";
import { payloadOf, placeAt, Story } from "./story.ts";
import { type Verdict, verdictOf } from "./verdict.ts";

/** Which promises a history breaks. Every history begins alike: `sub` and `other` are members and have got the messages 1 to 3. */

function judged(tell: (story: Story) => unknown): Verdict {
  const story = new Story().join("sub", 0).join("other", 0);
  for (const offset of [1, 2, 3]) both(story.publish(offset), offset);
  tell(story);
  return verdictOf({ profile: "test", seed: 1 }, story.stop("sub", "other").entries);
}

function both(story: Story, offset: number, epoch?: string): Story {
  const fields = epoch === undefined ? {} : { epoch, id: `${epoch}-m${offset}` };
  return story.receive("sub", offset, fields).receive("other", offset, fields);
}

/** A message of another epoch, which only `other` is sure to get. */
function inEpoch(story: Story, epoch: string, offset: number): Story {
  const id = `${epoch}-m${offset}`;
  return story.publish(offset, epoch, id).receive("other", offset, { epoch, id });
}

/** `other` is connected to a node that has started again. */
function restarted(story: Story, epoch = "e2"): Story {
  return story.end("other").rejoin("other", placeAt(3), placeAt(0, epoch), false);
}

/** Four messages that `sub` misses while it is away; only `other` gets them. */
function away(story: Story): Story {
  story.end("sub");
  for (const offset of [4, 5, 6, 7]) story.publish(offset).receive("other", offset);
  return story;
}

const KEPT: readonly (readonly [string, (story: Story) => unknown])[] = [
  ["everybody gets everything", () => {}],
  [
    "what was missed is recovered",
    (s) => away(s).rejoin("sub", placeAt(3), placeAt(7), true).recover("sub", 4, 5, 6, 7),
  ],
  [
    "a recovery breaks off and goes on where it was",
    (s) => {
      away(s).rejoin("sub", placeAt(3), placeAt(7), true).recover("sub", 4, 5).end("sub");
      s.rejoin("sub", placeAt(5), placeAt(7), true).recover("sub", 6, 7);
    },
  ],
  [
    "messages go on live behind a recovery",
    (s) => both(away(s).rejoin("sub", placeAt(3), placeAt(7), true).recover("sub", 4, 5, 6, 7).publish(8), 8),
  ],
  ["what cannot be recovered is said to be lost", (s) => away(s).rejoin("sub", placeAt(3), placeAt(7), false)],
  [
    "a gap on a live connection covers what did not come",
    (s) => both(s.publish(4).receive("other", 4).gap("sub", placeAt(4)).publish(5), 5),
  ],
  [
    "a new epoch begins again, and the answer says so",
    (s) => {
      s.fault("restart").end("sub");
      inEpoch(inEpoch(restarted(s), "e2", 1), "e2", 2).rejoin("sub", placeAt(3), placeAt(2, "e2"), false);
      s.publish(3, "e2", "e2-m3");
      both(s, 3, "e2");
    },
  ],
  [
    "an epoch comes and goes while a client is away",
    (s) => {
      s.end("sub");
      inEpoch(restarted(s), "e2", 1);
      s.end("other").rejoin("other", placeAt(1, "e2"), placeAt(0, "e3"), false);
      inEpoch(s, "e3", 1).rejoin("sub", placeAt(3), placeAt(1, "e3"), false);
    },
  ],
  [
    "the numbering starts again on live connections that have everything",
    (s) => both(s.publish(1, "e2", "e2-m1"), 1, "e2"),
  ],
  [
    "a member without a position finds a new epoch",
    (s) => inEpoch(restarted(s.end("sub")), "e2", 1).join("sub", 1, { position: placeAt(1, "e2") }),
  ],
  ["a place comes again and is the same", (s) => s.receive("sub", 3).recover("other", 2)],
  ["a message is sent again and confirmed again", (s) => s.attempt("m3").ack(3)],
  ["a message is refused, sent again and comes once", (s) => both(s.attempt("m4").refusal("m4").publish(4), 4)],
  ["a message without a confirmation never comes", (s) => s.attempt("m4")],
  ["a message without a confirmation comes", (s) => both(s.attempt("m4"), 4)],
  [
    "a message comes again under a new epoch, for nobody knows it there",
    (s) => {
      for (const client of ["sub", "other"]) s.end(client).rejoin(client, placeAt(3), placeAt(0, "e2"), false);
      s.attempt("m3").ack(1, { epoch: "e2", id: "m3" });
      for (const client of ["sub", "other"]) s.receive(client, 1, { epoch: "e2", id: "m3" });
    },
  ],
  [
    "who joins late is owed what comes later",
    (s) => both(s.join("late", 3).publish(4), 4).receive("late", 4).stop("late"),
  ],
  ["who left is owed nothing", (s) => s.leave("sub").publish(4).receive("other", 4)],
  [
    "who left and came again is owed what comes later",
    (s) => both(s.leave("sub").publish(4).receive("other", 4).join("sub", 4).publish(5), 5),
  ],
  ["who is done is owed nothing", (s) => s.stop("sub").publish(4).receive("other", 4)],
  ["who is barred for good is owed nothing", (s) => s.barred("sub").publish(4).receive("other", 4)],
  ["a message comes within the allowance", (s) => both(s.barred("sub", 100).publish(4), 4)],
  [
    "a message published before the bar leaves a node that was suspended",
    (s) => s.barred("sub").publish(4).receive("other", 4).receive("sub", 4, { publishedAtMs: 1_000 }),
  ],
  [
    "who is allowed again recovers what it missed",
    (s) => {
      away(s.barred("sub")).allowed("sub").rejoin("sub", placeAt(3), placeAt(7), true).recover("sub", 4, 5, 6, 7);
    },
  ],
  ["all are seen who are there", (s) => s.truth("ada", "bob").seen("sub", "bob", "ada").seen("other", "ada", "bob")],
  [
    "users come and go",
    (s) =>
      s.told("sub", "left", "old").told("sub", "joined", "ada").told("sub", "left", "ada").told("sub", "joined", "ada"),
  ],
  [
    "a user is told again after a join of one's own",
    (s) => s.told("sub", "joined", "ada").join("sub", 3).told("sub", "joined", "ada"),
  ],
  ["a sum of presence repeats itself", (s) => s.told("sub", "joined", "ada").diff("sub").told("sub", "joined", "ada")],
];

const BROKEN: readonly (readonly [CheckName, string, (story: Story) => unknown])[] = [
  ["lost", "a live message in the middle does not come", (s) => both(s.publish(4).receive("other", 4).publish(5), 5)],
  ["lost", "the last message does not come", (s) => s.publish(4).receive("other", 4)],
  ["lost", "a message that nobody gets was confirmed", (s) => s.publish(4)],
  [
    "lost",
    "an unconfirmed message comes to others only",
    (s) => both(s.attempt("m4").receive("other", 4).publish(5), 5),
  ],
  [
    "lost",
    "the first message behind a join does not come",
    (s) => both(s.join("late", 3).publish(4), 4).publish(5).receive("late", 5) && both(s, 5).stop("late"),
  ],
  [
    "lost",
    "the first live message behind a recovery does not come",
    (s) => {
      away(s).rejoin("sub", placeAt(3), placeAt(7), true).recover("sub", 4, 5, 6, 7);
      both(s.publish(8).receive("other", 8).publish(9), 9);
    },
  ],
  [
    "lost",
    "an answer recovered: true hides what came while the client was away",
    (s) => both(away(s).rejoin("sub", placeAt(3), placeAt(3), true).publish(8), 8),
  ],
  ["lost", "the client never comes back", (s) => away(s)],
  ["lost", "a member comes back without a position", (s) => away(s).join("sub", 7)],
  [
    "lost",
    "an answer recovered: false speaks of less than is missing",
    (s) => away(s).rejoin("sub", placeAt(5), placeAt(7), false),
  ],
  [
    "lost",
    "a gap does not reach far enough",
    (s) => {
      for (const offset of [4, 5]) s.publish(offset).receive("other", offset);
      both(s.gap("sub", placeAt(4)).publish(6), 6);
    },
  ],
  [
    "lost",
    "a gap comes too late to cover a hole",
    (s) => both(s.publish(4).receive("other", 4).publish(5), 5).gap("sub", placeAt(5)),
  ],
  [
    "lost",
    "a message of the new epoch does not come",
    (s) => {
      restarted(s).end("sub").rejoin("sub", placeAt(3), placeAt(0, "e2"), false);
      inEpoch(s, "e2", 1);
    },
  ],
  [
    "lost",
    "a message of the old epoch does not come, and the new one begins without a word",
    (s) => both(s.publish(4).receive("other", 4).publish(1, "e2", "e2-m1"), 1, "e2"),
  ],
  ["lost", "two nodes number a topic each for itself", (s) => inEpoch(restarted(s), "e2", 1)],
  [
    "lost",
    "an old excuse does not cover what is lost when the epoch is back",
    (s) => {
      s.end("sub").rejoin("sub", placeAt(3), placeAt(0, "e2"), false);
      s.end("sub").rejoin("sub", placeAt(0, "e2"), placeAt(3), false);
      s.publish(4).receive("other", 4);
    },
  ],
  [
    "lost",
    "a message does not come that was confirmed before the client left",
    (s) => s.publish(4).receive("other", 4).leave("sub"),
  ],
  [
    "lost",
    "a hole is left before the client is barred",
    (s) => both(s.publish(4).receive("other", 4).publish(5), 5).barred("sub"),
  ],
  [
    "recovery",
    "a recovery leaves out its first message",
    (s) => away(s).rejoin("sub", placeAt(3), placeAt(7), true).recover("sub", 5, 6, 7),
  ],
  [
    "recovery",
    "a recovery gives only the newest",
    (s) => both(away(s).rejoin("sub", placeAt(3), placeAt(7), true).recover("sub", 6, 7).publish(8), 8),
  ],
  ["recovery", "an answer recovered: true gives nothing", (s) => away(s).rejoin("sub", placeAt(3), placeAt(7), true)],
  [
    "recovery",
    "an answer recovered: false gives a part",
    (s) => away(s).rejoin("sub", placeAt(3), placeAt(7), false).recover("sub", 7),
  ],
  [
    "recovery",
    "a recovery goes beyond its answer",
    (s) => away(s).rejoin("sub", placeAt(3), placeAt(6), true).recover("sub", 4, 5, 6, 7),
  ],
  [
    "recovery",
    "an answer recovered: true is given over a change of epoch",
    (s) => restarted(s).end("sub").rejoin("sub", placeAt(3), placeAt(0, "e2"), true),
  ],
  ["duplicated", "a place comes again with another text", (s) => s.receive("sub", 3, { payload: "something else" })],
  [
    "order",
    "two messages change places",
    (s) => s.publish(4).publish(5).receive("other", 4).receive("other", 5).receive("sub", 5).receive("sub", 4),
  ],
  ["order", "the position goes back within an epoch", (s) => s.end("sub").rejoin("sub", placeAt(3), placeAt(1), false)],
  [
    "order",
    "a live message lies before the answer to the join",
    (s) => s.join("late", 3).receive("late", 3).stop("late"),
  ],
  ["phantom", "a message comes that nobody sent", (s) => both(s, 4)],
  [
    "phantom",
    "a message comes with another text to all",
    (s) => {
      s.publish(4);
      for (const client of ["sub", "other"]) s.receive(client, 4, { payload: payloadOf("m3") });
    },
  ],
  [
    "phantom",
    "a message comes with another text to one",
    (s) => s.publish(4).receive("sub", 4, { payload: "x" }).receive("other", 4),
  ],
  ["phantom", "a message comes in another topic", (s) => both(s.attempt("m4", { topic: "room:elsewhere" }), 4)],
  [
    "divergence",
    "two clients see a different order",
    (s) => {
      s.publish(4).publish(5).receive("other", 4).receive("other", 5);
      s.receive("sub", 4, { id: "m5" }).receive("sub", 5, { id: "m4" });
    },
  ],
  [
    "divergence",
    "a confirmation names a place where the message is not",
    (s) => both(s.attempt("m4").ack(9, { id: "m4" }), 4),
  ],
  [
    "reuse",
    "an offset is given again while the epoch stays",
    (s) => s.attempt("again").receive("sub", 3, { id: "again" }).receive("other", 3, { id: "again" }),
  ],
  ["reuse", "two messages are confirmed at one place", (s) => both(s.publish(4).publish(4, "e1", "again"), 4)],
  [
    "retries",
    "a message that is sent again comes at two places",
    (s) => {
      s.attempt("m3").ack(4, { id: "m3" });
      s.receive("sub", 4, { id: "m3" }).receive("other", 4, { id: "m3" });
    },
  ],
  ["presence", "a user is seen who is gone", (s) => s.truth("ada").seen("sub", "ada", "ghost")],
  ["presence", "a user is there and is not seen", (s) => s.truth("ada", "bob").seen("sub", "ada")],
  ["presence", "a user is seen twice", (s) => s.truth("ada").seen("sub", "ada", "ada")],
  ["presence", "nobody says who is there", (s) => s.seen("sub", "ada")],
  ["presence", "a user goes twice", (s) => s.told("sub", "left", "ada").told("sub", "left", "ada")],
  ["presence", "a user comes twice", (s) => s.told("sub", "joined", "ada").told("sub", "joined", "ada")],
  ["barred", "a message comes behind the allowance", (s) => both(s.barred("sub").publish(4), 4)],
  [
    "barred",
    "a message published behind the bar comes behind the allowance",
    (s) => s.barred("sub").publish(4).receive("other", 4).receive("sub", 4),
  ],
  [
    "barred",
    "a message from before the bar is recovered behind the allowance",
    (s) => {
      away(s.barred("sub")).rejoin("sub", placeAt(3), placeAt(7), true);
      for (const offset of [4, 5, 6, 7]) s.receive("sub", offset, { via: "recovery", publishedAtMs: 1_000 });
    },
  ],
  ["barred", "a message comes to who has left", (s) => both(s.leave("sub").publish(4), 4)],
  ["barred", "a message comes to who never joined", (s) => both(s.publish(4), 4).receive("stranger", 4)],
];

describe("a history passes in which", () => {
  test.each(KEPT)("%s", (_title, tell) => {
    const { ok, findings } = judged(tell);
    expect(findings).toEqual([]);
    expect(ok).toBeTrue();
  });
});

describe("a history fails, and by that check alone", () => {
  test.each(BROKEN)("%s: %s", (check, _title, tell) => {
    const { ok, findings, findingCounts } = judged(tell);
    expect(Object.keys(findingCounts)).toEqual([check]);
    expect(findings[0]).toMatchObject({ check, topic: "room:r" });
    expect(ok).toBeFalse();
  });
});

test("a user who never joined can neither come nor go, where every join says who it was", () => {
  const story = new Story().join("sub", 0, { user: "ada" }).publish(1).receive("sub", 1);
  story.told("sub", "left", "nobody").told("sub", "joined", "ghost").stop("sub");
  const { findingCounts } = verdictOf({ profile: "test", seed: 1 }, story.entries);
  expect(findingCounts).toEqual({ presence: 2 });
});

test("a history in which nothing was confirmed or nothing came does not pass", () => {
  const silent = new Story().join("sub", 0).attempt("m1").stop("sub").entries;
  expect(verdictOf({ profile: "test", seed: 1 }, silent).findingCounts).toEqual({ empty: 1 });
  const unheard = new Story().publish(1).join("sub", 1).stop("sub").entries;
  expect(verdictOf({ profile: "test", seed: 1 }, unheard).findingCounts).toEqual({ empty: 1 });
});
