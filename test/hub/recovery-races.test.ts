import { expect, test } from "bun:test";
import fc from "fast-check";
import { eventFor } from "../support/bodies.ts";
import { HubRig } from "../support/hub.ts";

/**
 * Every message exactly once and in order over any number of broken connections, whatever falls between a message and a join: a seeded
 * model of one client that keeps the position of the last message that it got, as docs/protocol.md tells it to.
 */

type Step =
  | { readonly do: "publish"; readonly bytes: number }
  | { readonly do: "cut" }
  | { readonly do: "return" }
  | { readonly do: "rejoin" }
  | { readonly do: "congest" }
  | { readonly do: "read" }
  | { readonly do: "turn" };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant("publish"), bytes: fc.constantFrom(10, 10, 90_000) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("cut") }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("return") }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("rejoin") }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("congest") }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("read") }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("turn") }) },
);

/** A client that counts: behind the position that a join named, positions only rise by one, however a message came. */
class Client {
  readonly #rig: HubRig;
  #link: ReturnType<HubRig["connect"]> | null = null;
  /** The positions that the joins of this connection named which are not answered yet. */
  #asked: number[] = [];
  /** Where the connection stands: behind `offset` while a second join is answered with what the first one has brought already. */
  #reached = 0;
  epoch: string;
  offset = 0;
  refused = 0;

  constructor(rig: HubRig, epoch: string) {
    this.#rig = rig;
    this.epoch = epoch;
  }

  get isConnected(): boolean {
    return this.#link !== null && this.#link.socket.closed === null;
  }

  connect(): void {
    if (this.isConnected) return;
    this.#link = this.#rig.connect("bob");
    this.#asked = [];
    this.join();
  }

  join(): void {
    if (this.#link === null || !this.isConnected) return;
    this.note();
    const { offset, epoch } = this;
    this.#asked.push(offset);
    this.#rig.receive(this.#link.connection, { type: "join_room", roomSlug: "r", recover: { offset, epoch } });
  }

  /** What had reached it before the cut it has read. */
  cut(): void {
    this.note();
    this.#link?.socket.end(1006);
    this.#link = null;
  }

  congest(): void {
    if (this.#link !== null) this.#link.socket.bufferedBytes = 700_000;
  }

  read(): void {
    if (this.#link === null) return;
    this.#link.socket.bufferedBytes = 0;
    this.#rig.hub.drain(this.#link.connection);
  }

  note(): void {
    for (const frame of this.#link?.socket.take() ?? []) {
      if (frame["type"] === "room_joined") {
        if (frame["recovered"] !== true) this.refused += 1;
        this.#reached = this.#asked.shift() ?? Number.NaN;
      }
      const list = frame["messages"];
      const messages: unknown[] = Array.isArray(list) ? list : frame["type"] === "note" ? [frame] : [];
      for (const message of messages) {
        this.#reached += 1;
        expect(Object(message).offset).toBe(this.#reached);
        this.offset = Math.max(this.offset, this.#reached);
      }
    }
  }
}

test("10,000 random orders of messages, cuts, joins and stalls leave no gap and no duplicate", async () => {
  const wide = { historySize: 10_000, historyBytes: 100_000_000, maxHistoryBytes: 1_000_000_000 };
  const limits = { maxUnsentBytes: 1_000_000, joinsPerSecond: 1e6, joinBurst: 1e6, presenceGraceMs: 0 };
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30 }), async (steps) => {
      const rig = new HubRig(limits, undefined, wide);
      let published = 0;
      const publish = (bytes: number): void => {
        const body = eventFor("room:r", "note", "x".repeat(bytes));
        void rig.hub.broker.publish({ topic: "room:r", body, identity: null }, true);
        published += 1;
      };
      const { epoch } = await rig.hub.broker.position("room:r");
      const client = new Client(rig, epoch);
      for (const one of steps) {
        if (one.do === "publish") publish(one.bytes);
        if (one.do === "cut") client.cut();
        if (one.do === "return") client.connect();
        if (one.do === "rejoin") client.join();
        if (one.do === "congest") client.congest();
        if (one.do === "read") client.read();
        if (one.do === "turn") await rig.settle();
        client.note();
      }
      client.connect();
      for (let turn = 0; turn < 50 && client.offset < published; turn += 1) {
        client.read();
        await rig.settle();
        client.note();
      }
      expect(client.offset).toBe(published);
      expect(client.refused).toBe(0);
      expect(rig.failures).toEqual([]);
    }),
    { seed: 20_261_126, numRuns: 10_000 },
  );
}, 120_000);
