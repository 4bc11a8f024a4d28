import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import type { Page, PageRequest } from "../../src/hub/directory.ts";
import type { Gathered } from "../../src/hub/question.ts";
import { msgpackCodec } from "../../src/protocol/msgpack.ts";
import { hubAlone, hubsTogether, type SharingHub } from "../support/hubs.ts";
import { REDIS, TestRedis } from "../support/redis.ts";
import { RedisNodesRig } from "../support/redis-nodes.ts";

type List<T> = (request: PageRequest) => (Page<T> & Gathered) | Promise<Page<T> & Gathered>;

/** All pages, with something that happens between each two. */
async function allPages<T>(list: List<T>, limit: number, between = (): void => {}): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | undefined;
  do {
    const page = await list({ limit, cursor });
    expect(page.items.length).toBeLessThanOrEqual(limit);
    expect(page.nodesMissing).toBeUndefined();
    items.push(...page.items);
    cursor = page.next;
    between();
  } while (cursor !== undefined);
  return items;
}

describe("the list of a user's connections", () => {
  test("says how and since when each is there, oldest first, at once where the node is alone", () => {
    const { rig, survey } = hubAlone();
    const openedMs = rig.clock.now();
    const first = rig.member("ada", "lobby");
    rig.clock.advance(1_500);
    const second = rig.connect("ada", msgpackCodec);
    rig.connect("bob");
    const shared = { endpoint: "/ws", address: "192.0.2.1" };
    expect(survey.connections("ada", { limit: 10 })).toEqual({
      items: [
        { id: first.connection.id, ...shared, since: openedMs, framing: "json", topics: 1 },
        { id: second.connection.id, ...shared, since: openedMs + 1_500, framing: "msgpack", topics: 0 },
      ],
    });
  });

  test("comes page by page, and an ended connection takes none of the others away", async () => {
    const { rig, survey } = hubAlone();
    const all = Array.from({ length: 30 }, () => rig.connect("ada"));
    let at = 0;
    const seen = await allPages(
      (request) => survey.connections("ada", request),
      7,
      () => all[at++]?.socket.end(1000),
    );
    expect(seen.map(({ id }) => id)).toEqual(all.map(({ connection }) => connection.id));
    expect(survey.connections("nobody", { limit: 1 })).toEqual({ items: [] });
  });
});

test("a node that is alone lists its topics at once, in the order in which they were opened", () => {
  const { rig, survey } = hubAlone();
  for (const room of ["b", "a"]) rig.member("ada", room);
  expect(survey.topics({ limit: 1 })).toMatchObject({ items: [{ topic: "room:b" }], next: expect.any(String) });
});

describe.skipIf(REDIS.path === null)(`lists over several nodes${REDIS.skipReason}`, () => {
  let redis: TestRedis;
  let shared: RedisNodesRig;
  let hubs: SharingHub[];
  let survey: SharingHub["survey"];

  const begin = async (count: number): Promise<void> => {
    hubs = await hubsTogether(shared, count);
    const [first] = hubs;
    if (first === undefined) throw new Error("no hub");
    ({ survey } = first);
  };

  beforeAll(async () => {
    redis = await TestRedis.start();
    shared = new RedisNodesRig(redis);
  });
  afterEach(() => shared.stop());
  afterAll(() => redis.stop());

  test("a topic is one item, whose members are those of all nodes", async () => {
    await begin(3);
    hubs[0]?.rig.member("ada", "lobby");
    for (const user of ["bob", "eve"]) hubs[1]?.rig.member(user, "lobby");
    hubs[2]?.rig.member("bob", "attic");
    const { items, ...rest } = await survey.topics({ limit: 10 });
    expect(items).toMatchObject([
      { topic: "room:attic", members: 1 },
      { topic: "room:lobby", members: 3 },
    ]);
    expect(rest).toEqual({});
  });

  test.each([1, 3, 20, 1_000])(
    "pages of %d have every topic that is there all the time exactly once, in order",
    async (limit) => {
      await begin(3);
      const expected = new Map<string, number>();
      for (let n = 0; n < 60; n += 1) {
        for (const [index, { rig }] of hubs.entries()) {
          if (n % (index + 2) !== 0) continue;
          const room = `${(n * 37) % 60}/${n}`;
          rig.member("ada", room);
          expected.set(`room:${room}`, (expected.get(`room:${room}`) ?? 0) + 1);
        }
      }
      let more = 0;
      const seen = await allPages(
        (request) => survey.topics(request),
        limit,
        () => {
          more += 1;
          hubs[more % 3]?.rig.member("bob", `zz-${more}`);
        },
      );
      const steady = seen.filter(({ topic }) => expected.has(topic));
      expect(steady.map(({ topic, members }) => [topic, members])).toEqual(
        [...expected].toSorted(([left], [right]) => (left < right ? -1 : 1)),
      );
      expect(new Set(seen.map(({ topic }) => topic)).size).toBe(seen.length);
    },
    30_000,
  );

  test("the cursor of another list is refused", async () => {
    await begin(1);
    for (const cursor of ["17", "not-a-topic", "____"]) {
      expect(() => survey.topics({ limit: 1, cursor })).toThrow(expect.objectContaining({ code: "BAD_REQUEST" }));
    }
  });

  test("the connections of a user are listed from all nodes", async () => {
    await begin(3);
    for (const { rig } of hubs) for (let n = 0; n < 5; n += 1) rig.connect("ada");
    expect((await survey.connections("ada", { limit: 100 })).items).toHaveLength(15);
    expect(await survey.connections("nobody", { limit: 1 })).toEqual({ items: [] });
  });

  test("a node that answers nonsense is missing, and takes nothing from the others", async () => {
    await begin(2);
    hubs[1]?.rig.member("ada", "lobby");
    await shared.start("wrong", (nodes) =>
      nodes.answer("list-topics", () => [{ topic: 1, __proto__: { members: 1 } }]),
    );
    const { items, nodesMissing } = await survey.topics({ limit: 10 });
    expect(items).toMatchObject([{ topic: "room:lobby", members: 1 }]);
    expect(nodesMissing).toEqual(["wrong"]);
  });
});
