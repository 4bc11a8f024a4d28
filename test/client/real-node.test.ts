import { afterEach, describe, expect, test } from "bun:test";
import type { Status } from "../../src/client/index.ts";
import { FaultProxy } from "../chaos/fault-proxy.ts";
import { until } from "../observe/recorded-sink.ts";
import { codeOf } from "../support/client-rig.ts";
import { token } from "../support/node.ts";
import { client, own, started, stopOwned, texts } from "../support/owned-clients.ts";

/** The client against nodes over real sockets. What needs a long time is shown in fake time elsewhere. */

afterEach(stopOwned);

const WAYS = ["subprotocol", "first-message", "query"] as const;
const FORMATS = ["json", "msgpack"] as const;

function numbered(count: number, name = "message"): string[] {
  return Array.from({ length: count }, (_, at) => `${name} ${at + 1}`);
}

describe.each(FORMATS)("in %s", (format) => {
  test.each(WAYS)("a client whose token goes by %s joins, speaks and hears", async (auth) => {
    const { port } = await started();
    const ada = client(port, { format, auth });
    const room = ada.join("general");
    const got = texts(room);
    expect(await room.joined).toMatchObject({ offset: 0, userCount: 1, recovered: undefined });
    expect(ada.status).toMatchObject({ state: "connected", user: { id: "ada", username: "ada" } });
    expect(await room.send("hello")).toMatchObject({ offset: 1 });
    const event = await room.publish("note", { big: 2 ** 40, list: [1, null], missing: undefined });
    await until(() => got.length === 2);
    const { messages } = await room.history();
    expect(messages).toMatchObject([
      { event: "new_message", text: "hello", from: { userId: "ada", username: "ada" } },
      { event: "note", data: { big: 2 ** 40, list: [1, null] }, messageId: event.messageId, offset: 2 },
    ]);
    expect(await room.presence()).toEqual({
      users: [{ userId: "ada", username: "ada" }],
      userCount: 1,
      next: undefined,
    });
    await room.leave();
    await ada.close();
  });

  test("a client that is cut off again and again loses nothing and gets nothing twice", async () => {
    const { port } = await started({ MESSAGES_PER_SECOND: "1000", MESSAGE_BURST: "1000" });
    const proxy = own(await FaultProxy.start({ to: { port } }));
    const reader = client(proxy.port, { format });
    const writer = client(proxy.port, { format, token: () => token({ sub: "bob", username: "bob" }) });
    const room = reader.join("general");
    const got = texts(room);
    const gaps: unknown[] = [];
    room.on("gap", (gap) => gaps.push(gap));
    await room.joined;
    const out = writer.join("general");
    const sent: Promise<unknown>[] = [];
    for (let round = 1; round <= 5; round += 1) {
      for (const text of numbered(20, `round ${round},`)) sent.push(out.send(text));
      await until(() => got.length >= 20 * (round - 1) + 5);
      proxy.cutAll();
    }
    await Promise.all(sent);
    await until(() => got.length >= 100);
    expect(got.toSorted()).toEqual([1, 2, 3, 4, 5].flatMap((round) => numbered(20, `round ${round},`)).toSorted());
    expect(gaps).toEqual([]);
  });
});

describe("a message that is sent while there is no connection", () => {
  test("arrives once, also when its confirmation was lost", async () => {
    const { port } = await started();
    const proxy = own(await FaultProxy.start({ to: { port } }));
    const reader = client(port, { token: () => token({ sub: "bob" }) });
    const heard = reader.join("general");
    const got = texts(heard);
    await heard.joined;
    const ada = client(proxy.port);
    const room = ada.join("general");
    await room.joined;
    proxy.dropReplies();
    const sent = room.send("confirmed by nobody");
    await until(() => got.length === 1);
    await until(() => ada.status.state !== "connected");
    const offline = room.send("while it was away");
    proxy.heal();
    expect([await sent, await offline]).toMatchObject([{ offset: 1 }, { offset: 2 }]);
    await until(() => got.length === 2);
    expect(got).toEqual(["confirmed by nobody", "while it was away"]);
  });

  test("is sent at the rate of the node, and none is lost where there are many", async () => {
    const { port } = await started({ MESSAGES_PER_SECOND: "40", MESSAGE_BURST: "40" });
    const ada = client(port);
    const room = ada.join("general");
    const got = texts(room);
    const sent = numbered(150).map((text) => room.send(text));
    expect(await Promise.all(sent)).toHaveLength(150);
    await until(() => got.length === 150);
    expect(got.toSorted()).toEqual(numbered(150).toSorted());
    expect(ada.status.state).toBe("connected");
  });
});

describe("many rooms", () => {
  test("are all joined again after a break, over the rate of joins", async () => {
    const { port } = await started({ JOINS_PER_SECOND: "100", JOIN_BURST: "100" });
    const proxy = own(await FaultProxy.start({ to: { port } }));
    const ada = client(proxy.port);
    let joins = 0;
    const rooms = numbered(100).map((_, at) => ada.join(`room-${at}`));
    for (const room of rooms) room.on("joined", () => (joins += 1));
    await Promise.all(rooms.map(({ joined }) => joined));
    proxy.cutAll();
    await until(() => joins === 200);
    expect(ada.status.state).toBe("connected");
  });
});

describe("a node that is replaced", () => {
  test("is come back to, and what it has forgotten is told", async () => {
    const first = await started({ DRAIN_MS: "50", DRAIN_DELAY_MS: "0" });
    const ada = client(first.port);
    const room = ada.join("general");
    const told: unknown[] = [];
    const states: Status[] = [];
    await room.joined;
    await room.send("before");
    room.on("joined", ({ recovered }) => told.push(recovered));
    room.on("gap", () => told.push("gap"));
    ada.on("status", (status) => states.push(status));
    await first.drain();
    await first.stop();
    await until(() => ada.status.state === "waiting");
    const meanwhile = room.send("meanwhile");
    expect(states.find(({ state }) => state !== "connected")).toMatchObject({ why: { code: 1012, name: "DRAINING" } });
    await started({ PORT: String(first.port) });
    expect(await meanwhile).toMatchObject({ offset: 1 });
    expect(told).toEqual([false, "gap"]);
  });
});

describe("a node that refuses", () => {
  test("because the user has too many connections is come back to when it says so", async () => {
    const { port } = await started({ MAX_CONNECTIONS_PER_USER: "1" });
    const first = client(port);
    await first.join("general").joined;
    const second = client(port);
    await until(() => second.status.state === "waiting");
    expect(second.status).toMatchObject({ why: { code: 4008, name: "CONNECTION_LIMIT" } });
    await first.close();
    second.reconnectNow();
    await second.join("general").joined;
  });

  test("for good says why, and everything that waits is given back", async () => {
    const { port } = await started({ API_KEY: "k".repeat(32) });
    const ada = client(port);
    const room = ada.join("general");
    await room.joined;
    const answer = await fetch(`http://127.0.0.1:${port}/api/users/ada/disconnect`, {
      method: "POST",
      headers: { "X-API-Key": "k".repeat(32), "Content-Type": "application/json" },
      body: JSON.stringify({ reason: "signed out" }),
    });
    expect(answer.status).toBe(200);
    await until(() => ada.status.state === "closed");
    expect(ada.status).toEqual({ state: "closed", code: 4003, name: "FORBIDDEN", reason: "signed out" });
    expect(await codeOf(room.send("hello"))).toBe("CLOSED");
  });
});

describe("a connection that dies without a word", () => {
  test("is found by the client's own ping, and made again without a loss", async () => {
    const { port } = await started({ PING_INTERVAL_MS: "100", PONG_TIMEOUT_MS: "400" });
    const proxy = own(await FaultProxy.start({ to: { port } }));
    const bob = client(port, { token: () => token({ sub: "bob" }) });
    const out = bob.join("general");
    await out.joined;
    const ada = client(proxy.port);
    const room = ada.join("general");
    const got = texts(room);
    const why: unknown[] = [];
    ada.on("status", (status) => status.state === "waiting" && why.push(status.why));
    await room.joined;
    proxy.blackhole();
    await out.send("nobody hears it");
    await until(() => why.length > 0);
    expect(why[0]).toMatchObject({ code: 4090, name: "HEARTBEAT_LOST" });
    proxy.heal();
    await until(() => got.length === 1);
    expect(got).toEqual(["nobody hears it"]);
  }, 60_000);
});
