import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Inbox, type InboxEvents } from "../../src/client/inbox.ts";
import { Emitter } from "../../src/client/emitter.ts";
import type { Message } from "../../src/client/message.ts";
import type { Position } from "../../src/client/position.ts";

const EPOCH = "e1";

function message(offset: number, epoch = EPOCH, messageId = `m${offset}`, timestamp = offset): Message {
  const from = { userId: "bob", username: "bob" };
  return { offset, epoch, messageId, timestamp, from, event: "a", text: undefined, data: null, isRecovered: false };
}

class Reader {
  readonly got: string[] = [];
  resyncs = 0;
  readonly inbox: Inbox;

  constructor(position: Position | null = { offset: 0, epoch: EPOCH }) {
    const events = new Emitter<InboxEvents>();
    events.on("message", ({ offset, epoch }) => this.got.push(`${epoch}:${offset}`));
    events.on("gap", ({ after, to }) => this.got.push(`gap ${after.epoch}:${after.offset}-${to.epoch}:${to.offset}`));
    const resync = (): void => {
      this.resyncs += 1;
      this.inbox.joins();
    };
    this.inbox = new Inbox(events, resync, position);
  }

  get offsets(): number[] {
    return this.got.map((entry) => Number(entry.split(":")[1]));
  }
}

describe("the messages of a topic", () => {
  test("come each once and in order, however recovered, live and doubled ones are mixed", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 12 }),
        fc.integer({ min: 0, max: 8 }),
        fc.array(fc.nat({ max: 40 }), { maxLength: 60 }),
        fc.array(fc.nat({ max: 5 }), { minLength: 1, maxLength: 6 }),
        (missed, live, doubles, parts) => {
          const reader = new Reader();
          const { inbox } = reader;
          inbox.joins();
          // Topics that come without asking are live before the answer to the join; `missed` are all that the answer has.
          const early = Array.from({ length: live }, (_, at) => message(missed + 1 + at));
          for (const each of early) inbox.live(each);
          const recovered = Array.from({ length: missed }, (_, at) => message(at + 1));
          const sizes = [...parts];
          inbox.joined({ offset: missed, epoch: EPOCH }, true, recovered.splice(0, sizes.shift()));
          while (recovered.length > 0) {
            const part = recovered.splice(0, (sizes.shift() ?? 0) + 1);
            inbox.recovered(part, recovered.length > 0);
          }
          for (const at of doubles) if (at > 0 && at <= missed + live) inbox.live(message(at));
          inbox.live(message(missed + live + 1));
          expect(reader.offsets).toEqual(Array.from({ length: missed + live + 1 }, (_, at) => at + 1));
          expect(reader.resyncs).toBe(0);
        },
      ),
    );
  });

  test("come each once and in order over any number of breaks", () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ live: fc.nat({ max: 5 }), missed: fc.nat({ max: 5 }) }), { maxLength: 10 }),
        (breaks) => {
          const reader = new Reader();
          const { inbox } = reader;
          let next = 1;
          for (const { live, missed } of breaks) {
            inbox.joins();
            const from = inbox.position?.offset ?? 0;
            const recovered = Array.from({ length: next - 1 + missed - from }, (_, at) => message(from + 1 + at));
            next += missed;
            inbox.joined({ offset: next - 1, epoch: EPOCH }, true, recovered);
            for (let count = 0; count < live; count += 1) inbox.live(message(next++));
          }
          expect(reader.offsets).toEqual(Array.from({ length: next - 1 }, (_, at) => at + 1));
        },
      ),
    );
  });

  test("that are missing between live ones are asked for, and those behind them wait", () => {
    const reader = new Reader();
    const { inbox } = reader;
    inbox.live(message(1));
    inbox.live(message(4));
    inbox.live(message(5));
    expect(reader.resyncs).toBe(1);
    inbox.joined({ offset: 4, epoch: EPOCH }, true, [message(2), message(3), message(4)]);
    expect(reader.offsets).toEqual([1, 2, 3, 4, 5]);
  });

  test("that are missing for good are told once, and what came behind them is not lost with them", () => {
    const reader = new Reader();
    const { inbox } = reader;
    inbox.live(message(1));
    inbox.live(message(4));
    inbox.joined({ offset: 4, epoch: EPOCH }, false, []);
    expect(reader.got).toEqual(["e1:1", "gap e1:1-e1:3", "e1:4"]);
  });

  test("of which the node says while a join waits that they are lost are waited for, as the answer may have them", () => {
    const reader = new Reader();
    const { inbox } = reader;
    inbox.live(message(1));
    inbox.joins();
    inbox.live({ offset: 4, epoch: EPOCH });
    inbox.live(message(5));
    inbox.joined({ offset: 5, epoch: EPOCH }, true, [message(2), message(3)]);
    inbox.recovered([message(4), message(5)]);
    expect(reader.got).toEqual(["e1:1", "e1:2", "e1:3", "e1:4", "e1:5"]);

    inbox.joins();
    inbox.live({ offset: 8, epoch: EPOCH });
    inbox.live(message(9));
    inbox.joined({ offset: 5, epoch: EPOCH }, true, []);
    expect(reader.got.slice(5)).toEqual(["gap e1:5-e1:8", "e1:9"]);

    inbox.joins();
    inbox.live({ offset: 12, epoch: EPOCH });
    inbox.live(message(13));
    inbox.joined({ offset: 13, epoch: EPOCH }, false, []);
    expect(reader.got.slice(7)).toEqual(["gap e1:9-e1:12", "e1:13"]);
    expect(reader.resyncs).toBe(0);
  });

  test("of which there are none are no gap, whatever the node can recover", () => {
    const reader = new Reader({ offset: 2, epoch: EPOCH });
    const { inbox } = reader;
    inbox.joins();
    inbox.joined({ offset: 2, epoch: EPOCH }, false, []);
    inbox.live({ offset: 2, epoch: EPOCH });
    inbox.live(message(1, "e2"));
    expect(reader.got).toEqual(["gap e1:2-e2:0", "e2:1"]);
  });

  test("of another epoch are told as a gap", () => {
    const reader = new Reader({ offset: 7, epoch: "e0" });
    reader.inbox.live(message(3));
    expect(reader.got).toEqual(["gap e0:7-e1:2", "e1:3"]);
  });

  test("that were sent again in another epoch come once, and a later one under the same id is another one", () => {
    const reader = new Reader();
    const { inbox } = reader;
    inbox.live(message(1, EPOCH, "same", 1_000));
    inbox.live(message(1, "e2", "same", 2_000));
    inbox.live(message(2, "e2", "same", 700_000));
    expect(reader.got).toEqual(["e1:1", "gap e1:1-e2:0", "e2:2"]);
  });

  test("that wait are bounded: beyond it all are asked for again", () => {
    const reader = new Reader();
    const { inbox } = reader;
    inbox.joins();
    for (let offset = 2; offset <= 1_003; offset += 1) inbox.live(message(offset));
    expect(reader.resyncs).toBe(1);
    const all = Array.from({ length: 1_003 }, (_, at) => message(at + 1));
    inbox.joined({ offset: 1_003, epoch: EPOCH }, true, all);
    expect(reader.offsets).toEqual(all.map(({ offset }) => offset));
  });

  test("before the first join count from its answer on", () => {
    const reader = new Reader(null);
    const { inbox } = reader;
    inbox.live(message(1));
    expect(reader.got).toEqual([]);
    inbox.joins();
    inbox.live(message(6));
    inbox.joined({ offset: 7, epoch: EPOCH }, false, []);
    inbox.live(message(7));
    expect(reader.got).toEqual(["e1:6", "e1:7"]);
  });
});
