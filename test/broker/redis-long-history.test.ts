import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { History, Position } from "../../src/broker/broker.ts";
import { Streams } from "../../src/broker/redis/streams.ts";
import { RedisRig } from "../support/redis-rig.ts";
import { REDIS } from "../support/redis.ts";

/** Histories that Redis does not give at once. */

const TOPIC = "room:a";
const BYTES = 20_000;

describe.skipIf(REDIS.path === null)(`a long history in Redis${REDIS.skipReason}`, () => {
  let rig: RedisRig;
  let streams: Streams;
  let epoch = "";

  beforeEach(async () => {
    rig = await RedisRig.start();
    const link = rig.link();
    await link.start();
    streams = new Streams({ historySize: 1_000, historyBytes: BYTES, historyTtlMs: 60_000 }, [link]);
  });

  afterEach(() => rig.stop());

  async function publish(count: number, sizeOf: (index: number) => number): Promise<void> {
    const positions: Promise<Position>[] = [];
    for (let index = 0; index < count; index += 1) {
      const json = `{"type":"note","data":"${"x".repeat(sizeOf(index) - 23)}"`;
      positions.push(streams.publish({ topic: TOPIC, body: { kind: "event", json }, identity: null }, true));
    }
    ({ epoch = "" } = (await Promise.all(positions)).at(-1) ?? {});
  }

  const after = (offset: number, limit = Number.POSITIVE_INFINITY): Promise<History> =>
    streams.read(TOPIC, { offset, epoch }, limit, false);
  const offsetsIn = ({ messages }: History): number[] => messages.map(({ offset }) => offset);

  test("is whole and in order, and as much of it as was asked for", async () => {
    await publish(400, () => 30);
    const whole = await after(10);
    expect([whole.recovered, whole.offset]).toEqual([true, 400]);
    expect(offsetsIn(whole)).toEqual(Array.from({ length: 390 }, (_, index) => index + 11));
    expect(offsetsIn(await after(10, 200))).toEqual(Array.from({ length: 200 }, (_, index) => index + 11));
  });

  test("with a hole far behind the position is not given in part", async () => {
    await publish(400, () => 30);
    await rig.redis.command("XDEL", `test:s:${TOPIC}`, "300-0");
    expect(await after(10)).toMatchObject({ recovered: false, messages: [], offset: 400 });
    expect((await after(300)).messages).toHaveLength(100);
  });

  test("ends at the bound of its bytes to the byte, although more is kept for a while", async () => {
    const sizes = Array.from({ length: 300 }, (_, index) => 30 + ((index * 37) % 200));
    await publish(sizes.length, (index) => sizes[index] ?? 0);
    let bytes = 0;
    for (let offset = sizes.length - 1; offset >= sizes.length - 250; offset -= 1) {
      bytes += sizes[offset] ?? 0;
      expect([offset, (await after(offset)).recovered]).toEqual([offset, bytes <= BYTES]);
    }
    expect(bytes).toBeGreaterThan(BYTES);
  });
});
