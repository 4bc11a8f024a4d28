import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import * as v from "valibot";
import { answer, inbox } from "../support/inbox.ts";
import { TestNode, token } from "../support/node.ts";
import { NodeProcess } from "../support/node-process.ts";
import { RawPeer } from "../support/peer.ts";
import { REDIS, TestRedis } from "../support/redis.ts";

const API_KEY = "k".repeat(32);

type Inbox = Awaited<ReturnType<typeof inbox>>;

/** Joins and leaves among frames: `+ada`, `-ada`. */
function changesIn(frames: Inbox): string[] {
  return frames
    .filter(({ type }) => type === "user_joined" || type === "user_left")
    .map(({ type, data }) => (type === "user_joined" ? "+" : "-") + String(Object(data).userId));
}

describe.skipIf(REDIS.path === null)(
  `presence over nodes that are processes, or are replaced${REDIS.skipReason}`,
  () => {
    let redis: TestRedis;
    const nodes: TestNode[] = [];

    beforeEach(async () => {
      redis = await TestRedis.start();
    });

    afterEach(async () => {
      for (const node of nodes.splice(0)) await node.stop();
      await redis.stop();
    });

    const start = async (name: string): Promise<TestNode> => {
      const settings = { BROKER_URL: redis.url, NODE_ID: name, API_KEY, DRAIN_DELAY_MS: "0", DRAIN_MS: "300" };
      const node = await TestNode.start(settings, { nodeTimes: { renewMs: 100 } });
      nodes.push(node);
      return node;
    };

    test("the users of a process that was killed leave once each when its lease has ended", async () => {
      const node = await start("a");
      const ada = await node.member("ada", "r");
      const other = await NodeProcess.start({ BROKER_URL: redis.url, NODE_ID: "b" });
      try {
        const peers: RawPeer[] = [];
        for (const user of ["u1", "u2", "u3"]) {
          const peer = await RawPeer.connect(other.port);
          peers.push(peer);
          await peer.upgrade({ path: `/ws?token=${token({ sub: user, username: user })}` });
          await peer.jsonOfType("connected");
          expect(await answer(peer, { type: "join_room", roomSlug: "r" })).toMatchObject({ type: "room_joined" });
          expect(await ada.jsonOfType("user_joined")).toMatchObject({ data: { userId: user } });
        }
        // One of them is on this node too.
        await node.member("u3", "r");
        expect(await answer(ada, { type: "presence", roomSlug: "r" })).toMatchObject({ userCount: 4 });
        await other.stop();
        expect(await answer(ada, { type: "presence", roomSlug: "r" })).toMatchObject({ userCount: 4 });

        // Its fifteen seconds are over: what it had is for nobody to see but its entry.
        const [lease] = v
          .parse(v.array(v.string()), await redis.command("ZRANGE", "tautline:nodes", "0", "-1"))
          .filter((name) => name.startsWith("b/"));
        await redis.command("ZADD", "tautline:nodes", "1", String(lease));
        const left = [await ada.jsonOfType("user_left"), await ada.jsonOfType("user_left")];
        expect(changesIn(left).toSorted()).toEqual(["-u1", "-u2"]);
        expect(await answer(ada, { type: "presence", roomSlug: "r" })).toMatchObject({ userCount: 2 });
        expect(changesIn(await inbox(ada))).toEqual([]);
      } finally {
        await other.stop();
      }
    });

    test("a node that is drained and stopped, whose clients go to another one, is noticed by no member there", async () => {
      const [a, b] = [await start("a"), await start("b")];
      const watcher = await b.member("watcher", "r");
      const leaving: RawPeer[] = [];
      for (const user of ["u1", "u2", "u3"]) leaving.push(await a.member(user, "r"));
      for (const _ of leaving) await watcher.jsonOfType("user_joined");
      const drained = a.drain();
      const back: RawPeer[] = [];
      for (const [at, peer] of leaving.entries()) {
        await peer.closed();
        if (at < 2) back.push(await b.member(`u${at + 1}`, "r"));
      }
      await drained;
      await a.stop();
      nodes.shift();
      // The third one may still come.
      expect(await answer(watcher, { type: "presence", roomSlug: "r" })).toMatchObject({ userCount: 4 });
      expect(changesIn(await inbox(watcher))).toEqual([]);
      expect(changesIn(await inbox(back[0] ?? watcher))).toEqual([]);
      await b.member("u3", "r");
      expect(changesIn(await inbox(watcher))).toEqual([]);
    });

    test("the backend's list of users is the same on each node, also where nobody is in the topic", async () => {
      const [a, b, c] = [await start("a"), await start("b"), await start("c")];
      const watcher = await a.member("u0", "r");
      for (const user of ["u1", "u2", "u0"]) await b.member(user, "r");
      for (const _ of ["u1", "u2"]) await watcher.jsonOfType("user_joined");
      const lists = [a, b, c].map(async (node) => {
        const answered = await node.http("/api/topics/room:r/presence", { headers: { "X-API-Key": API_KEY } });
        return answered.json();
      });
      const [onA, onB, onC] = await Promise.all(lists);
      expect(onA).toMatchObject({ userCount: 3 });
      expect([onB, onC]).toEqual([onA, onA]);
    });
  },
);
