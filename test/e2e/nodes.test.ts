import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import * as v from "valibot";
import { until } from "../auth/tokens.ts";
import { EmbeddedServers } from "../support/embedded.ts";
import { SECRET, TestNode, token } from "../support/node.ts";
import { NodeProcess } from "../support/node-process.ts";
import type { RawPeer } from "../support/peer.ts";
import { REDIS, TestRedis } from "../support/redis.ts";

/** Several nodes over one Redis, and a backend that talks to one of them. */

const API_KEY = "the-key-of-the-backend";

async function call(node: { readonly port: number }, path: string, body?: unknown): Promise<unknown> {
  const headers: Record<string, string> = { "X-API-Key": API_KEY, "Content-Type": "application/json" };
  const init = body === undefined ? { headers } : { method: "POST", headers, body: JSON.stringify(body) };
  const response = await fetch(`http://127.0.0.1:${node.port}${path}`, init);
  expect(response.status).toBe(200);
  return response.json();
}

describe.skipIf(REDIS.path === null)(`nodes over a Redis${REDIS.skipReason}`, () => {
  let redis: TestRedis;
  const ending: (() => Promise<void>)[] = [];

  const start = async (nodeId: string): Promise<TestNode> => {
    const settings = { API_KEY, BROKER_URL: redis.url, NODE_ID: nodeId };
    const node = await TestNode.start(settings, { nodeTimes: { renewMs: 100 } });
    ending.unshift(() => node.stop());
    return node;
  };
  const startProcess = async (nodeId: string): Promise<NodeProcess> => {
    const node = await NodeProcess.start({ API_KEY, BROKER_URL: redis.url, NODE_ID: nodeId });
    ending.unshift(() => node.stop());
    return node;
  };

  beforeEach(async () => {
    redis = await TestRedis.start();
  });

  afterEach(async () => {
    redis.resume();
    for (const end of ending.splice(0)) await end();
    await redis.stop();
  });

  test("every order about a user and every list is about the connections of all nodes", async () => {
    const [one, two, three] = [await start("one"), await start("two"), await start("three")];
    const peers: RawPeer[] = [];
    for (const node of [one, two, two, three]) peers.push(await node.connect("ada", { follows: ["star"] }));
    await two.member("bob", "lobby");

    expect(await call(three, "/api/users/ada/send", { event: "news" })).toMatchObject({ delivered: 4 });
    const followers = { event: "news", to: ["ada", "bob"] };
    expect(await call(one, "/api/users/star/followers/send", followers)).toMatchObject({ delivered: 5 });
    const topic = "conversation:7";
    expect(await call(one, "/api/users/ada/subscribe", { topic })).toEqual({ subscribed: 4, skipped: 0 });
    for (const peer of peers) expect(await peer.jsonOfType("subscribed")).toMatchObject({ topic });

    const topics = [];
    let path = "/api/topics?limit=1";
    for (const expected of [topic, "followers:star", "room:lobby"]) {
      const page = await call(two, path);
      expect(page).toMatchObject({ items: [{ topic: expected }] });
      topics.push(page);
      path = `/api/topics?limit=1&cursor=${nextOf(page)}`;
    }
    expect(topics).toMatchObject([
      { items: [{ members: 4 }] },
      { items: [{ members: 4 }] },
      { items: [{ members: 1 }] },
    ]);
    expect(nextOf(topics[2])).toBe("");

    const ids = new Set<string>();
    let next = "";
    do {
      const page = await call(one, `/api/connections?user=ada&limit=1${next === "" ? "" : `&cursor=${next}`}`);
      for (const id of idsOf(page)) ids.add(id);
      next = nextOf(page);
    } while (next !== "");
    expect(ids.size).toBe(4);

    expect(await call(three, "/api/users/ada/unsubscribe", { topic })).toEqual({ unsubscribed: 4 });
    for (const peer of peers) expect(await peer.jsonOfType("unsubscribed")).toMatchObject({ topic, code: "REVOKED" });
    const [stays = ""] = ids;
    const order = { code: 4321, reason: "maintenance", except: [stays] };
    expect(await call(two, "/api/users/ada/disconnect", order)).toEqual({ closed: 3 });
    expect(await call(two, "/api/users/ada/disconnect", {})).toEqual({ closed: 1 });
    const codes = await Promise.all(peers.map(async (peer) => (await peer.closed()).code));
    expect(codes.toSorted((left, right) => left - right)).toEqual([4003, 4321, 4321, 4321]);
  }, 30_000);

  test("a revocation says how many connections it closes on all nodes", async () => {
    const [one, two] = [await start("one"), await start("two")];
    for (const node of [one, two, two]) await node.connect("ada", { sid: "s1" });
    await two.connect("ada", { sid: "s2" });
    expect(await call(one, "/api/tokens/revoke", { sid: "s1" })).toEqual({ closed: 3 });
  });

  test("a node that hangs, or was killed, is named, and the others answer for themselves", async () => {
    const [one, two, hung] = [await start("one"), await start("two"), await startProcess("hung")];
    for (const node of [one, two]) await node.connect("ada");
    await one.metricIs("tautline_nodes", (count) => count === 3);
    hung.pause();
    const topic = "conversation:7";
    const nodesMissing = ["hung"];
    expect(await call(one, "/api/users/ada/send", { event: "news" })).toMatchObject({ delivered: 2, nodesMissing });
    expect(await call(one, "/api/users/ada/subscribe", { topic })).toEqual({ subscribed: 2, skipped: 0, nodesMissing });
    expect(await call(one, "/api/topics")).toMatchObject({ items: [{ topic, members: 2 }], nodesMissing });
    expect(await call(one, "/api/connections?user=ada")).toMatchObject({ nodesMissing });
    expect(await call(one, "/api/users/ada/unsubscribe", { topic })).toEqual({ unsubscribed: 2, nodesMissing });
    expect(await call(one, "/api/tokens/revoke", { sub: "eve" })).toEqual({ closed: 0, nodesMissing });
    hung.resume();
    await until(async () => !("nodesMissing" in Object(await call(one, "/api/topics"))));
    await hung.stop();
    expect(await call(two, "/api/users/ada/disconnect", {})).toEqual({ closed: 2, nodesMissing });
    // Its lease ends by itself after fifteen seconds; here it is ended at once.
    await redis.command("DEL", "tautline:nodes");
    await one.metricIs("tautline_nodes", (count) => count === 2);
    expect(await call(one, "/api/users/ada/disconnect", {})).toEqual({ closed: 0 });
  }, 30_000);

  test("while Redis hangs, a node answers for itself and names the others", async () => {
    const [one, two] = [await start("one"), await start("two")];
    for (const node of [one, two]) await node.connect("ada");
    await one.metricIs("tautline_nodes", (count) => count === 2);
    redis.pause();
    const nodesMissing = ["two"];
    expect(await call(one, "/api/users/ada/disconnect", {})).toEqual({ closed: 1, nodesMissing });
    expect(await call(one, "/api/topics")).toEqual({ items: [], nodesMissing });
    redis.resume();
    await until(async () => !("nodesMissing" in Object(await call(one, "/api/topics"))));
    // What was asked while it hung was not asked later: nobody waited for it any more.
    expect(await call(one, "/api/users/ada/disconnect", {})).toEqual({ closed: 1 });
  }, 30_000);

  test("the metrics tell the nodes and the way to them, and count what was no message", async () => {
    const one = await start("one");
    const two = await start("two");
    await one.metricIs("tautline_nodes", (count) => count === 2);
    await two.stop();
    await one.metricIs("tautline_nodes", (count) => count === 1);
    await redis.command("PUBLISH", "tautline:questions", "null");
    await one.metricIs('tautline_bus_rejected_total{kind="node"}', (count) => count === 1);
    await one.metricIs("tautline_bus_round_trip_seconds", (seconds) => seconds > 0);
    await redis.command("CLIENT", "KILL", "TYPE", "pubsub");
    await one.metricIs("tautline_broker_reconnects_total", (count) => count > 0);
  }, 30_000);

  test("the functions of a server inside of an application are about all nodes as well", async () => {
    const servers = new EmbeddedServers();
    ending.unshift(() => servers.stop());
    const options = { jwtSecret: SECRET, brokerUrl: redis.url };
    const [{ server }, other] = [await servers.start(options), await servers.start({ ...options, nodeId: "other" })];
    const peer = await other.connect(token({ sub: "ada" }));
    expect(await server.sendToUser("ada", "news")).toMatchObject({ delivered: 1 });
    expect(await server.broadcastToFollowers("star", "news")).toMatchObject({ delivered: 0 });
    expect(await server.subscribe("ada", "room:lobby")).toEqual({ subscribed: 1, skipped: 0 });
    expect(await server.unsubscribe("ada", "room:lobby")).toEqual({ unsubscribed: 1 });
    expect(await server.disconnect("ada")).toEqual({ closed: 1 });
    expect((await peer.closed()).code).toBe(4003);
    redis.pause();
    expect(await server.disconnect("ada")).toEqual({ closed: 0, nodesMissing: ["other"] });
  }, 30_000);

  test("two nodes of one NODE_ID are told apart, and the log of both says so", async () => {
    const [one, two] = [await start("same"), await start("same")];
    for (const node of [one, two]) await node.connect("ada");
    await one.metricIs("tautline_nodes", (count) => count === 2);
    expect(await call(one, "/api/users/ada/send", { event: "news" })).toMatchObject({ delivered: 2 });
    await until(() => [one, two].every((node) => node.hasLogged(/"level":"warn".*"other":"same\/[0-9a-f]{16}"/)));
  }, 30_000);
});

/** "" on the last page. */
function nextOf(page: unknown): string {
  return v.parse(v.object({ next: v.optional(v.string(), "") }), page).next;
}

function idsOf(page: unknown): string[] {
  return v.parse(v.object({ items: v.array(v.object({ id: v.string() })) }), page).items.map(({ id }) => id);
}
