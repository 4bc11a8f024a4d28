import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { Position, Positioned } from "../../src/broker/broker.ts";
import { redisAddresses } from "../../src/broker/redis/address.ts";
import { RedisLink } from "../../src/broker/redis/link.ts";
import { RedisBroker } from "../../src/broker/redis.ts";
import { systemClock } from "../../src/observe/clock.ts";
import { ProtocolError } from "../../src/protocol/codes.ts";
import { until } from "../auth/tokens.ts";
import { REDIS } from "../support/redis.ts";
import { TestSentinel } from "../support/sentinel.ts";

const BOUNDS = { historySize: 100_000, historyBytes: 100_000_000, historyTtlMs: 60_000 };
const TOPIC = "room:a";

/** What a node hears of one topic, in its order: messages by their text, and holes. */
type Heard = { readonly text: string; readonly at: Position } | { readonly lost: Position };

class Node {
  readonly heard: Heard[] = [];
  readonly link: RedisLink;
  readonly broker: RedisBroker;

  constructor(url: string) {
    const [address] = redisAddresses(url) ?? [];
    if (address === undefined) throw new Error("no address");
    this.link = new RedisLink({ address, clock: systemClock, report: () => undefined });
    this.broker = new RedisBroker(BOUNDS, {
      ...{ links: [this.link], clock: systemClock },
      deliver: (_topic, message) => this.heard.push({ text: textOf(message), at: message }),
      lose: (_topic, lost) => this.heard.push({ lost }),
    });
  }

  async start(): Promise<void> {
    await this.link.start();
    await this.broker.enter([{ topic: TOPIC, since: null }], () => this.broker.follow(TOPIC));
  }

  publish(text: string): Promise<Position> {
    const body = { kind: "event", json: `{"type":"note","data":"${text}"` } as const;
    return this.broker.publish({ topic: TOPIC, body, identity: { userId: "u", messageId: text, payload: text } }, true);
  }

  has(text: string): boolean {
    return this.heard.some((one) => "text" in one && one.text === text);
  }
}

function textOf({ body }: Positioned): string {
  return /"data":"(.*)"$/.exec(body.json)?.[1] ?? "";
}

describe.skipIf(REDIS.path === null)(`a Redis behind a Sentinel${REDIS.skipReason}`, () => {
  let sentinel: TestSentinel;
  let nodes: [Node, Node];

  beforeEach(async () => {
    sentinel = await TestSentinel.start();
    nodes = [new Node(sentinel.url), new Node(sentinel.url)];
    for (const node of nodes) await node.start();
  }, 20_000);

  afterEach(async () => {
    for (const { link } of nodes) link.stop();
    await sentinel.stop();
  });

  /** Publishes one message after the other, each until it is confirmed. The answer: what was confirmed, in its order. */
  async function publishing(
    node: Node,
    name: string,
    isOver: () => boolean,
  ): Promise<{ text: string; at: Position }[]> {
    const confirmed: { text: string; at: Position }[] = [];
    for (let n = 0; !isOver(); n += 1) {
      const text = `${name}.${n}`;
      for (let at: Position | null = null; at === null && !isOver();) {
        at = await node.publish(text).catch((error: unknown) => {
          expect(error).toBeInstanceOf(ProtocolError);
          return null;
        });
        if (at !== null) confirmed.push({ text, at });
        else await until(() => node.link.isUp || isOver());
      }
    }
    return confirmed;
  }

  test.each([
    ["is failed over in good order", () => sentinel.failover()],
    ["is killed", () => sentinel.first.kill()],
  ])(
    "that %s goes on at the replica, and what was confirmed has come to every member, or a hole was told",
    async (_how, fail) => {
      const [a, b] = nodes;
      let isOver = false;
      const sending = Promise.all(nodes.map((node, n) => publishing(node, `n${n}`, () => isOver)));
      await until(() => a.heard.length > 100 && b.heard.length > 100);
      const { runId } = a.link;
      const newRunId = /run_id:(\w+)/.exec(String(await sentinel.second.command("INFO", "server")))?.[1];
      await fail();
      const areMoved = () => nodes.every(({ link, broker }) => broker.ready && link.runId === newRunId);
      // A Sentinel that stood still for two seconds does nothing for the thirty that follow.
      await until(areMoved).catch(() => until(areMoved).catch(() => until(areMoved)));
      expect(nodes.map(({ link }) => link.runId)).toEqual([newRunId ?? "", newRunId ?? ""]);
      expect(newRunId).not.toBe(runId);
      isOver = true;
      const confirmed = (await sending).flat();
      const last = await b.publish("last");
      await until(() => a.has("last") && b.has("last"));
      for (const { heard } of nodes) {
        const texts = heard.flatMap((one) => ("text" in one ? [one.text] : []));
        // What was delivered, lost by the new master and sent again comes once more, in another epoch: nothing knows it there.
        const perEpoch = heard.flatMap((one) => ("text" in one ? [`${one.at.epoch} ${one.text}`] : []));
        expect(new Set(perEpoch).size).toBe(perEpoch.length);
        const holes = heard.flatMap((one) => ("lost" in one ? [one.lost] : []));
        const silent = confirmed.filter(({ text, at }) => !texts.includes(text) && !isTold(holes, at, last));
        expect(silent).toEqual([]);
        // In one epoch the offsets rise by one, but for the holes.
        let before: Position | null = null;
        for (const one of heard) {
          const at: Position = "lost" in one ? one.lost : one.at;
          if ("text" in one && before !== null)
            expect([at.epoch, at.offset]).toEqual([before.epoch, before.offset + 1]);
          before = at;
        }
      }
    },
    120_000,
  );
});

/** The end of an epoch that somebody was told of covers all of it. */
function isTold(holes: readonly Position[], { epoch, offset }: Position, last: Position): boolean {
  if (epoch !== last.epoch) return holes.some((hole) => hole.epoch === last.epoch);
  return holes.some((hole) => hole.epoch === epoch && hole.offset >= offset);
}
