import { afterEach, expect } from "bun:test";
import { Random } from "../../bench/soak/random.ts";
import { eventFor } from "../support/bodies.ts";
import { BoundaryLedger } from "../support/boundary-ledger.ts";
import { BoundaryMember } from "../support/boundary-member.ts";
import { TestNode, token } from "../support/node.ts";
import { oneNode } from "../support/one-node.ts";
import { onBun } from "../support/on-bun.ts";
import { IS_UWS } from "../support/second-engine.ts";

/**
 * Messages that are published in the moment in which members join, leave, break off and come back, over real sockets and in both framings:
 * the boundary between what is recovered and what comes live has neither gap nor duplicate.
 */

const RACES = 10_000;
const MEMBERS_PER_TOPIC = 4;
const HISTORY = { size: 100, bytes: 600 * 1_024 };
const SETTINGS = {
  ...{ MESSAGES_PER_SECOND: "1000000", MESSAGE_BURST: "1000000", JOINS_PER_SECOND: "1000000", JOIN_BURST: "1000000" },
  ...{ HANDSHAKES_PER_SECOND: "1000000", HANDSHAKE_BURST: "1000000", PRESENCE_GRACE_MS: "0" },
  ...{ HISTORY_SIZE: String(HISTORY.size), HISTORY_BYTES: String(HISTORY.bytes) },
};

let node: TestNode;
afterEach(() => node.stop());

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** Publishes from inside, as the backend does; each message says another number. */
class Publisher {
  readonly #topic: string;
  readonly #ledger: BoundaryLedger;
  readonly #paddings: readonly number[];
  readonly #random: Random;
  #content: number;

  /** `from`: the first content. */
  constructor(topic: string, ledger: BoundaryLedger, paddings: readonly number[], random: Random, from: number) {
    this.#topic = topic;
    this.#ledger = ledger;
    this.#paddings = paddings;
    this.#random = random;
    this.#content = from;
  }

  /** What clients say here is small enough that only its number is bounded. */
  get isSmall(): boolean {
    return this.#paddings.every((padding) => padding < 1_000);
  }

  nextContent(): number {
    this.#content += 1;
    return this.#content;
  }

  publish(count: number): void {
    for (let n = 0; n < count; n += 1) {
      const content = this.nextContent();
      const padding = this.#paddings[this.#random.below(this.#paddings.length)] ?? 0;
      const body = eventFor(this.#topic, "note", { content, padding: "x".repeat(padding) });
      const position = node.running.hub.publish(this.#topic, body, null);
      if (position instanceof Promise) throw new Error("the memory broker does not wait");
      this.#ledger.note(position.offset, content, Buffer.byteLength(body.json));
    }
  }
}

type Race = (member: BoundaryMember, publisher: Publisher, random: Random) => void | Promise<void>;

/** How a member comes to be at a boundary. After each of them it has asked to join. */
const RACES_BY_WEIGHT: readonly [{ weight: number; run: Race }, ...{ weight: number; run: Race }[]] = [
  { weight: 20, run: (member) => member.send(member.join()) },
  { weight: 10, run: (member) => member.send(member.join(), member.join()) },
  { weight: 30, run: (member) => member.send(member.leave(), member.join()) },
  { weight: 10, run: (member) => member.send(member.join(), member.leave(), member.join()) },
  {
    // The member's own messages stand right before and behind, and in between.
    weight: 15,
    run(member, publisher) {
      if (!publisher.isSmall) return member.send(member.leave(), member.join());
      const [first, second, third] = [1, 2, 3].map(() => member.say(publisher.nextContent()));
      if (first === undefined || second === undefined || third === undefined) return;
      member.send(first, member.leave(), member.join(), second, member.join(), third);
    },
  },
  {
    weight: 20,
    async run(member, publisher, random) {
      member.send(member.leave());
      await member.left();
      publisher.publish(random.below(4));
      member.send(member.join());
    },
  },
  {
    weight: 4,
    async run(member, publisher, random) {
      await member.cut();
      publisher.publish(random.below(10));
      await member.connect();
    },
  },
  {
    // As much as the history holds, one more, one less.
    weight: 3,
    async run(member, publisher, random) {
      member.send(member.leave());
      await member.left();
      publisher.publish(HISTORY.size - 3 + random.below(6));
      member.send(member.join());
    },
  },
];

async function raceOn(member: BoundaryMember, publisher: Publisher, random: Random, races: number): Promise<void> {
  await member.connect();
  while (member.races < races) {
    publisher.publish(random.below(2));
    if (member.isConnected) await random.weighted(RACES_BY_WEIGHT).run(member, publisher, random);
    else await member.connect();
    for (let turns = random.below(4); turns > 0; turns -= 1) {
      publisher.publish(random.below(2));
      await turn();
    }
    await member.answered();
  }
}

(IS_UWS ? onBun("inside") : oneNode("memory"))(
  "ten thousand joins while messages are published leave neither gap nor duplicate",
  async () => {
    node = await TestNode.start(SETTINGS);
    const topics = [
      { topic: "room:small", paddings: [0, 50], races: 0.4 },
      { topic: "room:other", paddings: [0], races: 0.4 },
      // A recovery of many of them takes several frames, and the bound on bytes comes before the one on their number.
      { topic: "room:large", paddings: [10, 10, 15_000], races: 0.2 },
    ];
    const groups = topics.map(({ topic, paddings, races }, group) => {
      const ledger = new BoundaryLedger(HISTORY);
      const members = Array.from({ length: MEMBERS_PER_TOPIC }, (_, index) => {
        const sub = `${topic.slice(5)}-${index}`;
        const url = `ws://127.0.0.1:${node.port}/ws?token=${token({ sub })}`;
        const seed = group * MEMBERS_PER_TOPIC + index;
        const random = new Random(20_261_126 + seed);
        const publisher = new Publisher(topic, ledger, paddings, random, seed * 1_000_000);
        const member = new BoundaryMember(url, topic, index % 2 === 1, ledger);
        return { member, racing: raceOn(member, publisher, random, Math.ceil((RACES * races) / MEMBERS_PER_TOPIC)) };
      });
      return { ledger, members };
    });
    await Promise.all(groups.flatMap(({ members }) => members.map(({ racing }) => racing)));
    for (const { ledger, members } of groups) {
      for (const { member } of members) {
        if (!member.isConnected) await member.connect();
        await member.isUpToDate();
        expect(member.offset).toBe(ledger.newest);
      }
      expect(ledger.violations).toEqual([]);
    }
    const all = groups.flatMap(({ members }) => members.map(({ member }) => member));
    const sum = (read: (member: BoundaryMember) => number): number =>
      all.reduce((total, member) => total + read(member), 0);
    expect(sum(({ races }) => races)).toBeGreaterThanOrEqual(RACES);
    // Both came to pass: what cannot be recovered, and what one frame does not hold.
    expect(sum(({ refused }) => refused)).toBeGreaterThan(0);
    expect(sum(({ parts }) => parts)).toBeGreaterThan(0);
    expect((await node.metrics()).get("tautline_handler_failures_total")).toBe(0);
  },
  300_000,
);
