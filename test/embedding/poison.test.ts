import { afterAll, describe, expect, test } from "bun:test";
import type { ClientConnection, OwnMessage } from "../../src/index.ts";
import { until } from "../observe/recorded-sink.ts";
import { expectUndisturbed } from "../support/bystander.ts";
import { type Embedded, EmbeddedServers } from "../support/embedded.ts";
import { answer } from "../support/inbox.ts";
import { SECRET, token } from "../support/node.ts";

/** An application whose functions throw, reject or hang, again and again, for one of its clients. */

const servers = new EmbeddedServers();
afterAll(() => servers.stop());

const NO_RATE = {
  jwtSecret: SECRET,
  metricsToken: "metrics-of-the-test",
  messagesPerSecond: 100_000,
  messageBurst: 100_000,
};

async function samples(server: Embedded): Promise<ReadonlyMap<string, number>> {
  const answered = await server.http("/metrics", { headers: { Authorization: "Bearer metrics-of-the-test" } });
  const lines = (await answered.text()).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ") + 1))]),
  );
}

const POISON: readonly (readonly [string, () => Promise<never>])[] = [
  [
    "throws",
    () => {
      throw new Error("poison");
    },
  ],
  ["rejects", () => Promise.reject(new Error("poison"))],
  ["rejects with nothing", () => Promise.reject(undefined)],
];

describe("a message handler that", () => {
  test.each(POISON)(
    "%s for every message of one client is counted by type, and nobody else notices",
    async (_how, fail) => {
      const server = await servers.start({
        ...NO_RATE,
        onMessage: (_connection: ClientConnection, _message: OwnMessage) => fail(),
      });
      const poisoner = await server.connect(token({ sub: "poisoner" }));
      const bystander = await server.connect(token({ sub: "bystander" }));
      for (let sent = 0; sent < 300; sent += 1) {
        poisoner.send({ type: "poison", id: sent });
        expect(await poisoner.json()).toMatchObject({ type: "error", code: "INTERNAL", id: sent });
        if (sent % 50 === 0) await expectUndisturbed(bystander);
      }
      expect(await answer(poisoner, { type: "ping" })).toMatchObject({ type: "pong" });
      const counted = await samples(server);
      expect(counted.get('tautline_frames_failed_total{type="other"}')).toBe(300);
      expect(counted.get('tautline_frames_failed_total{type="ping"}')).toBe(0);
      expect(counted.get('tautline_errors_total{code="INTERNAL"}')).toBe(300);
    },
  );

  test("never settles holds one promise for its client, however much that sends, and lets the client go", async () => {
    const gate = Promise.withResolvers<void>();
    const calls: string[] = [];
    const heard: string[] = [];
    const server = await servers.start({
      ...NO_RATE,
      async onMessage(connection: ClientConnection, { type }: OwnMessage) {
        calls.push(`${connection.user.id} ${type}`);
        await gate.promise;
        connection.send({ type: "late" });
      },
      onDisconnect: ({ user }) => heard.push(`${user.id} left`),
    });
    const bystander = await server.connect(token({ sub: "bystander" }));
    for (let round = 0; round < 3; round += 1) {
      const client = await server.connect(token({ sub: `u${round}` }));
      client.sendAll([{ type: "join_room", roomSlug: "r" }, ...Array.from({ length: 100 }, () => ({ type: "hang" }))]);
      await until(() => calls.length === round + 1);
      await expectUndisturbed(bystander);
      client.destroy();
      await until(() => heard.length === round + 1);
    }
    expect(calls).toEqual(["u0 hang", "u1 hang", "u2 hang"]);
    const before = await samples(server);
    expect(["connections", "memberships"].map((name) => before.get(`tautline_${name}`))).toEqual([1, 0]);
    gate.resolve();
    await expectUndisturbed(bystander);
    // What comes of it later reaches nobody, and nothing that waited behind it is handled.
    expect(calls).toHaveLength(3);
    expect((await samples(server)).get('tautline_errors_total{code="INTERNAL"}')).toBe(0);
  });
});

describe("a permission checker that", () => {
  test.each(POISON)("%s denies, for its client alone", async (_how, fail) => {
    const server = await servers.start({
      ...NO_RATE,
      ...{ joinsPerSecond: 100_000, joinBurst: 100_000 },
      permissionChecker: ({ id }) => (id === "poisoner" ? fail() : true),
    });
    const poisoner = await server.connect(token({ sub: "poisoner" }));
    const bystander = await server.connect(token({ sub: "bystander" }));
    for (let asked = 0; asked < 100; asked += 1) {
      poisoner.send({ type: "subscribe", topic: `any:${asked}`, id: asked });
      expect(await poisoner.json()).toMatchObject({ type: "error", code: "FORBIDDEN", id: asked });
    }
    expect(await answer(bystander, { type: "subscribe", topic: "any:1" })).toMatchObject({ type: "subscribed" });
    expect(poisoner.isEnded).toBe(false);
  });
});
