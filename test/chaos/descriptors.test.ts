import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { expectUndisturbed } from "../support/bystander.ts";
import { NodeProcess } from "../support/node-process.ts";
import { token } from "../support/node.ts";
import { RawPeer } from "../support/peer.ts";

/** A node that has 256 file descriptors, and more who want one. */

const DESCRIPTORS = 256;
/** Half of them are for WebSockets, unless MAX_CONNECTIONS says otherwise. */
const MAX_CONNECTIONS = DESCRIPTORS / 2;
const MORE = 320;
const NO_RATE = { HANDSHAKES_PER_SECOND: "100000", HANDSHAKE_BURST: "100000", MAX_CONNECTIONS_PER_USER: "1000" };
const REQUEST = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
const MEASURED_MS = 500;

let node: NodeProcess;
let bystander: RawPeer;
let peers: RawPeer[] = [];

beforeEach(async () => {
  node = await NodeProcess.start(NO_RATE, { descriptors: DESCRIPTORS });
  bystander = await connected();
});

afterEach(async () => {
  for (const connection of peers.splice(0)) connection.destroy();
  await node.stop();
});

const upgrade = { path: `/ws?token=${token({ sub: "ada", username: "ada" })}` };

async function peer(): Promise<RawPeer> {
  const connection = await RawPeer.connect(node.port);
  peers.push(connection);
  return connection;
}

async function connected(): Promise<RawPeer> {
  const connection = await RawPeer.open(node.port, upgrade);
  peers.push(connection);
  await connection.jsonOfType("connected");
  return connection;
}

/** Waits until it is true; the bystander is served in every round. */
async function served(isTrue: () => boolean): Promise<void> {
  do await expectUndisturbed(bystander);
  while (!isTrue());
}

/** All but the bystander go. */
async function allLeave(): Promise<void> {
  for (const left of peers) if (left !== bystander) left.destroy();
  peers = [bystander];
  await served(() => node.openDescriptors < 20);
}

/**
 * The part of a core that it uses, or would use if nothing else ran on this machine: the time that it waited for the core is left out.
 * A share of a time needs that time to pass.
 */
async function loopShare(): Promise<number> {
  const [startMs, before] = [performance.now(), node.loopTimes];
  await Bun.sleep(MEASURED_MS);
  const after = node.loopTimes;
  const ranMs = after.ranMs - before.ranMs;
  return ranMs / (performance.now() - startMs - (after.waitedMs - before.waitedMs));
}

describe("a node without a file descriptor left", () => {
  test("answers 503 to the WebSockets that it has no room for, serves the others, and takes new ones when they leave", async () => {
    const statuses = await Promise.all(
      Array.from({ length: MORE }, async () => (await (await peer()).upgrade(upgrade)).status),
    );
    expect(statuses.filter((status) => status === 101)).toHaveLength(MAX_CONNECTIONS - 1);
    expect(statuses.filter((status) => status === 503)).toHaveLength(MORE - MAX_CONNECTIONS + 1);
    await expectUndisturbed(bystander);
    await allLeave();
    await expectUndisturbed(await connected());
  });

  test("serves its connections and uses less than half of a core, for as long as others hold them all; then it takes new ones", async () => {
    for (let n = 0; n < MORE; n += 1) (await peer()).writeRaw("GET /ws HTTP/1.1\r\nHost: localhost\r\n");
    await served(() => node.openDescriptors === DESCRIPTORS);
    let share = 1;
    // It notices within a second. Without that it is a whole core until the requests time out, and the descriptors are free again.
    while (share > 0.5) {
      share = await loopShare();
      await expectUndisturbed(bystander);
      expect(node.openDescriptors).toBe(DESCRIPTORS);
    }
    await allLeave();
    await expectUndisturbed(await connected());
  });

  test("takes those back that connections hold between two requests, so that others are answered", async () => {
    const answers = Array.from(
      { length: 2 * MORE },
      async () => (await (await peer()).request(REQUEST, 10_000)).status,
    );
    expect(new Set(await Promise.all(answers))).toEqual(new Set([200]));
    await expectUndisturbed(bystander);
  });
});
