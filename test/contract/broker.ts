import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { until } from "../auth/tokens.ts";
import { ProtocolError } from "../../src/protocol/codes.ts";
import type { Broker, Deliver, Position, Positioned } from "../../src/broker/broker.ts";
import type { MessageBody } from "../../src/protocol/codec.ts";

export interface BrokerBounds {
  readonly historySize: number;
  readonly historyBytes: number;
  readonly historyTtlMs: number;
  readonly maxHistoryBytes: number;
}

type Message = Partial<{ topic: string; userId: string; messageId: string; text: string }>;

export interface StartedBroker {
  readonly broker: Broker;
  /** Lets time pass for the broker, and its sweep run. */
  pass(ms: number): Promise<void>;
  /** Another broker with the same settings that has lost everything this one knew. */
  restartEmpty(): Promise<Broker>;
}

export interface BrokerContract {
  readonly name: string;
  readonly start: (bounds: BrokerBounds, deliver: Deliver) => Promise<StartedBroker>;
  readonly skip?: readonly { readonly reason: string; readonly tests: readonly string[] }[];
}

const BOUNDS: BrokerBounds = { historySize: 5, historyBytes: 10_000, historyTtlMs: 60_000, maxHistoryBytes: 100_000 };
const MINUTE_MS = 60_000;

function body(text: string): MessageBody {
  return { kind: "event", json: `{"type":"note","data":${JSON.stringify(text)}` };
}

function offsets(messages: readonly Position[]): number[] {
  return messages.map(({ offset }) => offset);
}

/** Every promise of `src/broker/broker.ts`, held against one implementation. */
export function brokerContract({ name, start, skip = [] }: BrokerContract): void {
  const skipped = new Map(skip.flatMap(({ reason, tests }) => tests.map((title) => [title, reason] as const)));
  const promise = (title: string, run: () => Promise<void>) => {
    const reason = skipped.get(title);
    if (reason === undefined) test(title, run);
    else test.skip(`${title} (skipped: ${reason})`, run);
  };

  describe(`the ${name} broker`, () => {
    let started: StartedBroker;
    let broker: Broker;
    let delivered: { topic: string; message: Positioned }[];

    const begin = async (bounds: Partial<BrokerBounds> = {}) => {
      await broker?.stop();
      delivered = [];
      started = await start({ ...BOUNDS, ...bounds }, (topic, message) => delivered.push({ topic, message }));
      broker = started.broker;
    };
    const publish = async (topic: string, text = "x", keeps = true) =>
      broker.publish({ topic, body: body(text), identity: null }, keeps);

    const follow = async (topic: string): Promise<void> => {
      await broker.enter([{ topic, since: null }], () => broker.follow(topic));
    };
    /** All that was delivered, once it is at least so many. */
    const arrived = async (count: number) => {
      await until(() => delivered.length >= count);
      return delivered;
    };

    beforeEach(() => begin());
    afterEach(() => broker.stop());

    promise("gives the first message of a topic offset 1, and each next one more", async () => {
      const positions = [await publish("room:a"), await publish("room:a"), await publish("room:a")];
      expect(offsets(positions)).toEqual([1, 2, 3]);
      expect(new Set(positions.map(({ epoch }) => epoch)).size).toBe(1);
    });

    promise("counts every topic by itself", async () => {
      await publish("room:a");
      expect((await publish("room:b")).offset).toBe(1);
    });

    promise("says where a topic stands, before and after its first message, in one epoch", async () => {
      const before = await broker.position("room:a");
      const first = await publish("room:a");
      expect(before).toEqual({ offset: 0, epoch: first.epoch });
      const { offset, epoch } = await broker.position("room:a");
      expect({ offset, epoch }).toEqual({ offset: 1, epoch: first.epoch });
    });

    promise("delivers each message of a followed topic with its position, in the order of the offsets", async () => {
      await follow("room:a");
      const taken: Position[] = [];
      for (const text of ["one", "two", "three"]) taken.push(await publish("room:a", text));
      const messages = (await arrived(3)).map(({ message }) => message);
      expect(messages.map(({ offset, epoch }) => ({ offset, epoch }))).toEqual(
        taken.map(({ offset, epoch }) => ({ offset, epoch })),
      );
      for (const [index, text] of ["one", "two", "three"].entries()) {
        expect(messages[index]?.body).toEqual(body(text));
      }
      expect(delivered.every(({ topic }) => topic === "room:a")).toBe(true);
    });

    promise("delivers what a topic was followed for until it was unfollowed as often", async () => {
      await follow("room:a");
      await follow("room:a");
      broker.unfollow("room:a");
      await publish("room:a", "still");
      expect(await arrived(1)).toHaveLength(1);
      broker.unfollow("room:a");
      await follow("room:b");
      await publish("room:a", "no more");
      await publish("room:b", "after it");
      await until(() => delivered.at(-1)?.topic === "room:b");
      await follow("room:a");
      await publish("room:a", "again");
      await until(() => delivered.at(-1)?.message.body.json.includes("again") === true);
    });

    promise("delivers and counts messages of topics without history, and keeps none", async () => {
      await follow("system:a");
      await publish("system:a", "x", false);
      expect((await publish("system:a", "x", false)).offset).toBe(2);
      expect(await arrived(2)).toHaveLength(2);
      expect((await broker.history("system:a", null, 10)).messages).toEqual([]);
    });

    promise("gives the newest messages without a position, oldest first", async () => {
      for (const text of ["1", "2", "3"]) await publish("room:a", text);
      const history = await broker.history("room:a", null, 2);
      expect(offsets(history.messages)).toEqual([2, 3]);
      expect(history).toMatchObject({ offset: 3, recovered: true });
    });

    promise("gives everything after a position, as it was delivered", async () => {
      await follow("room:a");
      const first = await publish("room:a", "1");
      await publish("room:a", "2");
      await publish("room:a", "3");
      const history = await broker.history("room:a", first, 10);
      expect(offsets(history.messages)).toEqual([2, 3]);
      expect(history.messages.map((message) => message.body.json)).toEqual(
        (await arrived(3)).slice(1).map(({ message }) => message.body.json),
      );
    });

    promise("gives nothing, but recovered, at the newest position", async () => {
      const last = await publish("room:a");
      expect(await broker.history("room:a", last, 10)).toMatchObject({ messages: [], recovered: true, offset: 1 });
    });

    promise("gives the oldest after the position when there are more than the limit", async () => {
      const first = await publish("room:a");
      for (let n = 0; n < 4; n += 1) await publish("room:a");
      expect(offsets((await broker.history("room:a", first, 2)).messages)).toEqual([2, 3]);
    });

    promise("answers recovered: false, never a part, when messages after the position are gone", async () => {
      const first = await publish("room:a");
      for (let n = 0; n < 6; n += 1) await publish("room:a");
      expect(await broker.history("room:a", first, 100)).toMatchObject({ messages: [], recovered: false, offset: 7 });
    });

    promise("answers recovered: false to another epoch and to an offset from the future", async () => {
      const { epoch } = await publish("room:a");
      for (const since of [
        { offset: 0, epoch: "other" },
        { offset: 2, epoch },
      ]) {
        expect(await broker.history("room:a", since, 10)).toMatchObject({ messages: [], recovered: false });
      }
    });

    promise("recovers a position of a topic that had no message, from its first one on", async () => {
      const before = await broker.position("room:a");
      await publish("room:a");
      expect(offsets((await broker.history("room:a", before, 10)).messages)).toEqual([1]);
    });

    promise("keeps no more messages per topic than its size", async () => {
      for (let n = 0; n < 8; n += 1) await publish("room:a");
      expect(offsets((await broker.history("room:a", null, 100)).messages)).toEqual([4, 5, 6, 7, 8]);
    });

    promise("keeps no more bytes per topic than its bound", async () => {
      await begin({ historyBytes: 1_000 });
      for (let n = 0; n < 3; n += 1) await publish("room:a", "x".repeat(400));
      expect(offsets((await broker.history("room:a", null, 100)).messages)).toEqual([2, 3]);
    });

    promise("keeps no message longer than its time", async () => {
      const first = await publish("room:a");
      await started.pass(MINUTE_MS - 1_000);
      await publish("room:a");
      await started.pass(2_000);
      expect(offsets((await broker.history("room:a", null, 100)).messages)).toEqual([2]);
      await started.pass(MINUTE_MS);
      expect((await broker.history("room:a", null, 100)).messages).toEqual([]);
      expect((await broker.history("room:a", first, 100)).recovered).toBe(false);
      expect((await broker.position("room:a")).offset).toBe(2);
    });

    promise("over the node's bound gives up the history of the quietest topic, and says so", async () => {
      await begin({ maxHistoryBytes: 2_000 });
      const quiet = await publish("room:quiet", "x".repeat(900));
      await publish("room:quiet", "x".repeat(900));
      const busy = await publish("room:busy", "x".repeat(900));
      expect((await broker.history("room:quiet", quiet, 10)).recovered).toBe(false);
      expect(offsets((await broker.history("room:busy", null, 10)).messages)).toEqual([busy.offset]);
      expect((await broker.position("room:quiet")).offset).toBe(2);
      expect(broker.evictedTopics).toBe(1);
    });

    promise("an hour after a topic's last message starts it again, in another epoch", async () => {
      const first = await publish("room:a");
      await started.pass(60 * MINUTE_MS - 1_000);
      expect((await broker.position("room:a")).epoch).toBe(first.epoch);
      await started.pass(2_000);
      const fresh = await broker.position("room:a");
      expect(fresh.offset).toBe(0);
      expect(fresh.epoch).not.toBe(first.epoch);
      const again = await publish("room:a");
      expect({ offset: again.offset, epoch: again.epoch }).toEqual({ offset: 1, epoch: fresh.epoch });
      expect((await broker.history("room:a", first, 10)).recovered).toBe(false);
    });

    promise("a topic that ends leaves the epochs of others as they were", async () => {
      await follow("room:b");
      const waiting = await broker.position("room:b");
      await publish("room:a");
      await started.pass(61 * MINUTE_MS);
      expect((await publish("room:b")).epoch).toBe(waiting.epoch);
    });

    const send = async ({ topic = "room:a", userId = "ada", messageId = "m1", text = "x" }: Message) => {
      const identity = { userId, messageId, payload: text };
      const { offset, epoch } = await broker.publish({ topic, body: body(text), identity }, true);
      return { offset, epoch };
    };
    const codeOf = async (message: Message) => {
      try {
        await send(message);
      } catch (error) {
        return error instanceof ProtocolError ? error.code : error;
      }
      return "none";
    };

    promise("takes a message that is sent again only once, and answers it with the first position", async () => {
      await follow("room:a");
      const first = await send({});
      await publish("room:a");
      expect([await send({}), await send({})]).toEqual([first, first]);
      expect(offsets((await arrived(2)).map(({ message }) => message))).toEqual([1, 2]);
      expect((await broker.position("room:a")).offset).toBe(2);
    });

    promise("takes 20 copies that are sent at once only once", async () => {
      await follow("room:a");
      const answers = await Promise.all(Array.from({ length: 20 }, () => send({})));
      expect(new Set(answers.map(({ offset }) => offset))).toEqual(new Set([1]));
      await publish("room:a", "behind them");
      expect(await arrived(2)).toHaveLength(2);
    });

    promise("knows a message id by its user and its topic", async () => {
      await send({});
      expect((await send({ userId: "bob" })).offset).toBe(2);
      expect((await send({ topic: "room:b" })).offset).toBe(1);
      expect((await send({ messageId: "m2" })).offset).toBe(3);
    });

    promise("refuses an id that was used for another message, and goes on knowing the first", async () => {
      const first = await send({ text: "yes" });
      expect(await codeOf({ text: "no" })).toBe("MESSAGE_ID_REUSED");
      expect(await send({ text: "yes" })).toEqual(first);
      expect((await broker.position("room:a")).offset).toBe(1);
    });

    promise("knows an id for five minutes, and takes it for a new one when they are long over", async () => {
      const first = await send({});
      await started.pass(5 * MINUTE_MS - 1_000);
      expect(await send({})).toEqual(first);
      await started.pass(10 * MINUTE_MS);
      expect((await send({})).offset).toBe(2);
      expect(broker.droppedMessageIds).toBe(0);
    });

    promise("knows ids also in topics whose messages it does not keep", async () => {
      const identity = { userId: "ada", messageId: "m1", payload: "x" };
      const publication = { topic: "system:a", body: body("x"), identity };
      const [first, again] = [await broker.publish(publication, false), await broker.publish(publication, false)];
      expect(again.offset).toBe(first.offset);
      expect((await broker.position("system:a")).offset).toBe(1);
    });

    promise("calls whoever enters where its history ends and live delivery goes on, in one step", async () => {
      await follow("room:a");
      const before = await broker.position("room:a");
      const sending = (async () => {
        for (let n = 0; n < 300; n += 1) await publish("room:a", String(n));
      })();
      for (let n = 0; n < 100; n += 1) {
        const since = delivered.at(-1)?.message ?? before;
        await broker.enter([{ topic: "room:a", since }], ([history]) => {
          const reached = delivered.at(-1)?.message ?? before;
          expect(history).toMatchObject({ recovered: true, offset: reached.offset, epoch: reached.epoch });
          const between = delivered.filter(({ message }) => message.offset > since.offset);
          expect(history?.messages.map(({ offset }) => offset)).toEqual(between.map(({ message }) => message.offset));
        });
      }
      await sending;
    });

    promise("enters several topics in one moment, and one that asks for nothing is told a position alone", async () => {
      const first = await publish("room:a", "1");
      await publish("room:a", "2");
      const entered = await broker.enter(
        [
          { topic: "room:a", since: first },
          { topic: "room:b", since: null },
        ],
        (histories) => histories,
      );
      expect(entered).toMatchObject([
        { offset: 2, recovered: true },
        { offset: 0, messages: [] },
      ]);
      expect(offsets(entered[0]?.messages ?? [])).toEqual([2]);
    });

    promise("tells whoever enters behind a hole that it is one", async () => {
      const first = await publish("room:a");
      for (let n = 0; n < 7; n += 1) await publish("room:a");
      const entered = await broker.enter([{ topic: "room:a", since: first }], ([history]) => history);
      expect(entered).toMatchObject({ recovered: false, messages: [], offset: 8 });
    });

    promise("answers what entering returned, and rejects with what it threw", async () => {
      expect(await broker.enter([{ topic: "room:a", since: null }], () => "an answer")).toBe("an answer");
      const failing = async () =>
        broker.enter([{ topic: "room:a", since: null }], () => {
          throw new ProtocolError("FORBIDDEN");
        });
      await expect(failing()).rejects.toMatchObject({ code: "FORBIDDEN" });
    });

    promise("after losing everything does not claim to recover what it cannot know", async () => {
      const first = await publish("room:a");
      await publish("room:a");
      const empty = await started.restartEmpty();
      expect((await empty.position("room:a")).epoch).not.toBe(first.epoch);
      expect(await empty.history("room:a", first, 10)).toMatchObject({ messages: [], recovered: false });
      await empty.stop();
    });
  });
}
