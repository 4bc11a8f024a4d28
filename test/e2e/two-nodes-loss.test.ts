import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { until } from "../auth/tokens.ts";
import { NodeProcess } from "../support/node-process.ts";
import { TestNode, token } from "../support/node.ts";
import { RawPeer } from "../support/peer.ts";
import { REDIS, TestRedis } from "../support/redis.ts";

/** Each message once, whatever way it came; and a node that heard nothing for a while. */

const NO_RATE = { MESSAGES_PER_SECOND: "1000000", MESSAGE_BURST: "1000000", PONG_TIMEOUT_MS: "60000" };
const TEXT = "x".repeat(4_000);

describe.skipIf(REDIS.path === null)(`messages over two nodes${REDIS.skipReason}`, () => {
  let redis: TestRedis;
  let a: TestNode;
  let other: NodeProcess;
  const peers: RawPeer[] = [];

  beforeEach(async () => {
    redis = await TestRedis.start();
  });

  afterEach(async () => {
    for (const peer of peers.splice(0)) peer.destroy();
    await other.stop();
    await a.stop();
    await redis.stop();
  });

  async function start(settings: Record<string, string> = {}): Promise<void> {
    const shared = { ...NO_RATE, ...settings, BROKER_URL: redis.url };
    a = await TestNode.start({ ...shared, NODE_ID: "a" });
    other = await NodeProcess.start({ ...shared, NODE_ID: "b" });
    await until(async () => (await fetch(`http://127.0.0.1:${other.port}/ready`)).status === 200);
  }

  async function memberThere(sub: string): Promise<RawPeer> {
    const peer = await RawPeer.open(other.port, { path: `/ws?token=${token({ sub })}` });
    peers.push(peer);
    peer.send({ type: "join_room", roomSlug: "r" });
    await peer.jsonOfType("room_joined");
    return peer;
  }

  const isCutOff = async (): Promise<boolean> => {
    const clients = String(await redis.command("CLIENT", "LIST", "TYPE", "pubsub"));
    return clients.trim().split("\n").length === 1;
  };

  /** Publishes on the one node, while the other stands still, until Redis has no more patience with that. */
  async function publishUntilCutOff(sender: RawPeer): Promise<number> {
    let sent = 0;
    while (sent % 100 !== 0 || !(await isCutOff())) {
      sender.send({ type: "chat_message", roomSlug: "r", message: TEXT, messageId: `m${sent}` });
      await sender.jsonOfType("message_sent");
      sent += 1;
      if (sent > 10_000) throw new Error("Redis kept the subscription");
    }
    return sent;
  }

  test("come to every connection once each, the sender's own included", async () => {
    await start();
    const ada = await a.member("ada", "r");
    const members = [ada, await a.member("ada", "r"), await memberThere("ada"), await memberThere("bob")];
    const ids = Array.from({ length: 100 }, (_, n) => `m${n}`);
    for (const [index, messageId] of ids.entries()) {
      members[index % 4]?.send({ type: "chat_message", roomSlug: "r", message: "x", messageId });
    }
    for (const member of members) {
      const got: unknown[] = [];
      const offsets: unknown[] = [];
      while (got.length < ids.length) {
        const { data, offset } = await member.jsonOfType("new_message");
        got.push(Object(data).slug);
        offsets.push(offset);
      }
      expect(new Set(got)).toEqual(new Set(ids));
      expect(offsets).toEqual(ids.map((_, index) => index + 1));
      member.send({ type: "ping", id: "end" });
      for (let frame = await member.json(); frame["id"] !== "end"; frame = await member.json()) {
        expect(frame["type"]).not.toBe("new_message");
      }
    }
  }, 60_000);

  test.each([
    ["whole where the history has all that was missed", "100000000", true],
    ["told as a gap where it has not", "65536", false],
  ])(
    "that a node missed, standing still until Redis cut its subscription, are %s",
    async (_what, bytes, isWhole) => {
      await start({ HISTORY_SIZE: "100000", HISTORY_BYTES: bytes });
      await redis.command("CONFIG", "SET", "client-output-buffer-limit", "pubsub 1mb 0 0");
      const ada = await a.member("ada", "r");
      const bob = await memberThere("bob");
      other.pause();
      const missed = await publishUntilCutOff(ada);
      other.resume();
      let offset = 0;
      let told = 0;
      while (offset < missed) {
        const frame = await bob.json(60_000);
        if (frame["type"] === "gap") {
          told = Number(frame["offset"]);
          expect(told).toBeGreaterThan(offset);
          offset = told;
        } else if (frame["type"] === "new_message") {
          expect(frame["offset"]).toBe(offset + 1);
          offset += 1;
        }
      }
      expect(told > 0).toBe(!isWhole);
      ada.send({ type: "chat_message", roomSlug: "r", message: "live again", messageId: "last" });
      expect(await bob.jsonOfType("new_message")).toMatchObject({ offset: missed + 1, data: { slug: "last" } });
    },
    90_000,
  );
});
