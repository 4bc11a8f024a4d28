import { afterEach, describe, expect, test } from "bun:test";
import { fileURLToPath } from "node:url";
import { expectUndisturbed } from "../support/bystander.ts";
import { TestNode, token } from "../support/node.ts";
import { RawPeer } from "../support/peer.ts";
import { PrintingProcess } from "../support/printing-process.ts";

/** Peers of which nobody tells that they are gone: their machine stands still, or the network lost them. */

const CLIENTS = fileURLToPath(new URL("../support/resuming-clients.ts", import.meta.url));
const NO_RATE = {
  ...{
    MESSAGES_PER_SECOND: "100000",
    MESSAGE_BURST: "100000",
    HANDSHAKES_PER_SECOND: "10000",
    HANDSHAKE_BURST: "10000",
  },
  ...{ HISTORY_SIZE: "100000", HISTORY_BYTES: "100000000" },
};

const stops: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const stop of stops.splice(0).toReversed()) await stop();
});

async function startNode(settings: Record<string, string>): Promise<TestNode> {
  const node = await TestNode.start({ ...NO_RATE, ...settings });
  stops.push(() => node.stop());
  return node;
}

/** So many clients in a process that can be made to stand still. */
async function startClients(port: number, name: string, count: number): Promise<PrintingProcess> {
  const tokens = Array.from({ length: count }, (_, index) => token({ sub: `${name}${index}` }));
  const clients = new PrintingProcess([process.execPath, CLIENTS, String(port), tokens.join(",")]);
  stops.push(() => clients.kill());
  await clients.line("joined");
  return clients;
}

/** The users of whom the sender heard meanwhile that they left. */
async function publish(sender: RawPeer, message: string): Promise<unknown[]> {
  const left: unknown[] = [];
  sender.send({ type: "chat_message", roomSlug: "r", message });
  for (;;) {
    const { type, data } = await sender.json();
    if (type === "user_left") left.push(Object(data).userId);
    if (type === "message_sent") return left;
  }
}

describe("clients whose machine stands still", () => {
  test("are gone within the time-out although they are sent to all the time, and recover everything when it goes on", async () => {
    const COUNT = 100;
    const node = await startNode({ PING_INTERVAL_MS: "500", PONG_TIMEOUT_MS: "3000", PRESENCE_GRACE_MS: "0" });
    const clients = await startClients(node.port, "stopped", COUNT);
    const others = await startClients(node.port, "running", 1);
    const sender = await node.member("sender", "r");
    await publish(sender, "mark one");
    await clients.line("mark one ");

    clients.signal("SIGSTOP");
    const left: unknown[] = [];
    for (let sent = 0; left.length < COUNT; sent += 1) {
      left.push(...(await publish(sender, `mark ${sent}`)));
      await others.line(`mark ${sent} `);
    }
    expect(new Set(left)).toEqual(new Set(Array.from({ length: COUNT }, (_, index) => `stopped${index}`)));
    const metrics = await node.metrics();
    expect(metrics.get("tautline_connections")).toBe(2);
    expect(metrics.get("tautline_users")).toBe(2);
    expect(metrics.get("tautline_heartbeats_lost_total")).toBe(COUNT);

    clients.signal("SIGCONT");
    await publish(sender, "mark two");
    const [, holes, returns] = /with (\d+) holes after (\d+) returns$/.exec(await clients.line("mark two ")) ?? [];
    expect(holes).toBe("0");
    // A node that is overloaded itself turns some of them away at first.
    expect(Number(returns)).toBeGreaterThanOrEqual(COUNT);
    expect(await others.line("mark two ")).toBe("mark two seen with 0 holes after 0 returns");
  }, 60_000);
});

describe("a peer that neither reads nor answers", () => {
  test("stays in presence for the grace, and its places are free at once", async () => {
    const node = await startNode({
      ...{ PING_INTERVAL_MS: "100", PONG_TIMEOUT_MS: "1500", PRESENCE_GRACE_MS: "1000", MAX_CONNECTIONS_PER_USER: "1" },
    });
    const bystander = await node.member("bystander", "r");
    const dead = await RawPeer.open(
      node.port,
      { path: `/ws?token=${token({ sub: "dead", username: "dead" })}` },
      { autoPong: false, autoClose: false },
    );
    stops.push(() => dead.destroy());
    dead.send({ type: "join_room", roomSlug: "r" });
    await bystander.jsonOfType("user_joined");
    dead.pause();
    await node.metricIs("tautline_connections", (count) => count === 1);
    bystander.send({ type: "presence", roomSlug: "r" });
    // Still counted: it may come back. Nothing was told yet.
    expect(await bystander.json()).toMatchObject({ type: "presence_state", userCount: 2 });
    await node.connect("dead");
    expect(await bystander.jsonOfType("user_left")).toMatchObject({ data: { userId: "dead" } });
    await expectUndisturbed(bystander);
  });
});
