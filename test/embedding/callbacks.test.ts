import { afterAll, describe, expect, test } from "bun:test";
import { type ClientConnection, type OwnMessage, ProtocolError } from "../../src/index.ts";
import { until } from "../observe/recorded-sink.ts";
import { EmbeddedServers } from "../support/embedded.ts";
import { answer, inbox, typesOf } from "../support/inbox.ts";
import { readMessagePack } from "../support/msgpack-reader.ts";
import { SECRET, token } from "../support/node.ts";
import type { RawPeer } from "../support/peer.ts";

const servers = new EmbeddedServers();
afterAll(() => servers.stop());

const jwtSecret = SECRET;

function decoded(message: string | Uint8Array): object {
  return Object.assign({}, typeof message === "string" ? JSON.parse(message) : readMessagePack(message));
}

describe("onConnect and onDisconnect", () => {
  test("hear of each connection once, with the same object, and with the code of its end", async () => {
    const heard: [string, ClientConnection, number?][] = [];
    const server = await servers.start({
      jwtSecret,
      onConnect: (connection) => heard.push(["connect", connection]),
      onDisconnect: (connection, { code }) => heard.push(["disconnect", connection, code]),
    });
    const peer = await server.connect(token({ sub: 7, username: "ada" }));
    peer.send({ type: "refresh", token: token({ sub: 7, username: "countess" }) });
    await peer.jsonOfType("auth_refreshed");
    peer.close(1000);
    await until(() => heard.length === 2);
    const [[, connection], [, same]] = heard as [[string, ClientConnection], [string, ClientConnection]];
    expect(heard.map(([what, , code]) => [what, code])).toEqual([
      ["connect", undefined],
      ["disconnect", 1000],
    ]);
    expect(same).toBe(connection);
    expect(connection).toMatchObject({ id: expect.any(String), endpoint: "/ws", address: "127.0.0.1" });
    expect(connection.user).toMatchObject({ id: 7, username: "countess", roles: ["user"] });
  });

  test("hear of connections that authenticate by a frame, and not of those that never do", async () => {
    const heard: string[] = [];
    const server = await servers.start({
      jwtSecret,
      onConnect: ({ endpoint }) => heard.push(endpoint),
      onDisconnect: ({ endpoint }) => heard.push(endpoint),
    });
    const stranger = await server.upgrade({ path: "/" });
    stranger.peer.close(1000);
    const refused = await server.upgrade({ path: "/?token=garbage" });
    expect((await refused.peer.closed()).code).toBe(4001);
    const { peer } = await server.upgrade({ path: "/" });
    peer.send({ type: "auth", token: token() });
    await peer.jsonOfType("auth_success");
    peer.send({ type: "auth", token: token() });
    await peer.jsonOfType("auth_success");
    peer.close(1000);
    await until(() => heard.length >= 2);
    expect(heard).toEqual(["/", "/"]);
  });

  test("may send, behind the greeting and in the framing of the connection", async () => {
    const server = await servers.start({
      jwtSecret,
      onConnect: (connection) =>
        connection.send({ type: "welcome", at: new Date(0), nothing: undefined, n: [1, null] }),
    });
    for (const format of ["json", "msgpack"]) {
      const { peer } = await server.upgrade({ path: `/ws?format=${format}&token=${token()}` });
      const frames = [decoded(await peer.next()), decoded(await peer.next())];
      expect(frames).toMatchObject([
        { type: "connected" },
        { type: "welcome", at: "1970-01-01T00:00:00.000Z", n: [1, null], timestamp: expect.any(Number) },
      ]);
      expect(Object.keys(frames[1] ?? {})).not.toContain("nothing");
    }
  });

  test("let messages wait for the promise of onConnect, and onDisconnect too", async () => {
    const loaded = Promise.withResolvers<void>();
    const order: string[] = [];
    const server = await servers.start<string>({
      jwtSecret,
      async onConnect(connection) {
        await loaded.promise;
        connection.data = "loaded";
        order.push("connected");
      },
      onMessage: (connection) => order.push(`message of one ${connection.data}`),
      onDisconnect: (connection) => order.push(`${connection.data} left`),
    });
    const stays = await server.connect(token());
    stays.send({ type: "hello" });
    stays.close(1000);
    await stays.ended();
    expect(order).toEqual([]);
    loaded.resolve();
    await until(() => order.length === 2);
    expect(order).toEqual(["connected", "loaded left"]);

    const peer = await server.connect(token());
    peer.send({ type: "hello" });
    await until(() => order.length === 4);
    expect(order.slice(2)).toEqual(["connected", "message of one loaded"]);
  });

  test("end nothing by throwing or rejecting", async () => {
    const server = await servers.start({
      jwtSecret,
      onConnect: () => {
        throw new Error("at connect");
      },
      onDisconnect: async () => Promise.reject(new Error("at disconnect")),
    });
    const peer = await server.connect(token());
    expect(await answer(peer, { type: "ping" })).toMatchObject({ type: "pong" });
    peer.close(1000);
    await peer.ended();
    await server.connect(token());
    const errors = (await server.logAfterStop()).filter(({ level }) => level === "error");
    expect(errors).toMatchObject([
      { error: { message: "at connect" } },
      { error: { message: "at disconnect" } },
      { error: { message: "at connect" } },
      { error: { message: "at disconnect" } },
    ]);
  });
});

describe("onMessage", () => {
  /** Answers every message with what it was. */
  const echo = (connection: ClientConnection, { type: was, id, ...fields }: OwnMessage): void =>
    void connection.send({ type: "echo", id, was, fields });

  test("gets what is none of the protocol's, in either framing, and answers", async () => {
    const server = await servers.start({ jwtSecret, onMessage: echo });
    const peer = await server.connect(token());
    const sent = { type: "game.move", id: 7, to: { x: 1, tags: ["a", null] } };
    expect(await answer(peer, sent)).toEqual({
      type: "echo",
      timestamp: expect.any(Number),
      id: 7,
      was: "game.move",
      fields: { to: { x: 1, tags: ["a", null] } },
    });
    peer.binary(new Uint8Array([0x81, 0xa4, ...Buffer.from("type"), 0xa1, 0x78]));
    expect(await peer.json()).toMatchObject({ type: "echo", was: "x" });
  });

  test.each([
    ["Upper", "UNKNOWN_TYPE"],
    ["connected", "UNKNOWN_TYPE"],
    ["error", "UNKNOWN_TYPE"],
    ["constructor!", "UNKNOWN_TYPE"],
    [7, "BAD_MESSAGE"],
  ])("never sees a message of the type %p", async (type, code) => {
    const seen: OwnMessage[] = [];
    const server = await servers.start({ jwtSecret, onMessage: (_connection, message) => seen.push(message) });
    const peer = await server.connect(token());
    expect(await answer(peer, { type, id: 1 })).toMatchObject({ type: "error", code, id: 1 });
    expect(seen).toEqual([]);
  });

  test("never sees a wrong id, nor a message of the protocol, nor one before authentication", async () => {
    const seen: OwnMessage[] = [];
    const server = await servers.start({ jwtSecret, onMessage: (_connection, message) => seen.push(message) });
    const peer = await server.connect(token());
    expect(await answer(peer, { type: "own", id: {} })).toMatchObject({ code: "BAD_MESSAGE" });
    expect(await answer(peer, { type: "ping", id: 1 })).toMatchObject({ type: "pong" });
    expect(await answer(peer, { type: "join_room" })).toMatchObject({ code: "BAD_MESSAGE" });
    const stranger = await server.upgrade({ path: "/" });
    expect(await answer(stranger.peer, { type: "own" })).toMatchObject({ code: "AUTH_REQUIRED" });
    expect(seen).toEqual([]);
  });

  test("costs the user a message", async () => {
    const server = await servers.start({ jwtSecret, messageBurst: 16, messagesPerSecond: 1, onMessage: echo });
    const peer = await server.connect(token());
    peer.sendAll(Array.from({ length: 17 }, () => ({ type: "own" })));
    for (let i = 0; i < 16; i++) expect(await peer.json()).toMatchObject({ type: "echo" });
    expect(await peer.json()).toMatchObject({ code: "RATE_LIMITED" });
  });

  test("holds the connection's later messages back while its promise is not settled, in their order", async () => {
    const gate = Promise.withResolvers<void>();
    const server = await servers.start({
      jwtSecret,
      async onMessage(connection, message) {
        if (message.type === "slow") await gate.promise;
        echo(connection, message);
      },
    });
    const peer = await server.connect(token({ sub: "a" }));
    const other = await server.connect(token({ sub: "b" }));
    peer.sendAll([{ type: "slow" }, { type: "ping" }, { type: "fast" }, { type: "join_room", roomSlug: "a" }]);
    expect(await answer(other, { type: "fast" })).toMatchObject({ type: "echo" });
    expect(peer.pendingMessages).toBe(0);
    gate.resolve();
    const frames = await inbox(peer);
    expect(typesOf(frames)).toEqual(["echo", "pong", "echo", "room_joined"]);
    expect(frames[0]).toMatchObject({ was: "slow" });
  });

  test.each([
    [
      "throws",
      () => {
        throw new Error("canary");
      },
    ],
    ["rejects", async () => Promise.reject(new Error("canary"))],
  ] as const)(
    "that %s is answered INTERNAL with an id for the log, and the connection goes on",
    async (_how, onMessage) => {
      const server = await servers.start({ jwtSecret, onMessage });
      const peer = await server.connect(token());
      const error = await answer(peer, { type: "own", id: "x" });
      expect(error).toMatchObject({ type: "error", code: "INTERNAL", message: "Internal error", id: "x" });
      expect(JSON.stringify(error)).not.toContain("canary");
      expect(await answer(peer, { type: "ping" })).toMatchObject({ type: "pong" });
      const [logged] = (await server.logAfterStop()).filter(({ level }) => level === "error");
      expect(logged).toMatchObject({ error: { message: "canary" }, correlationId: error["correlationId"] });
    },
  );

  test("may refuse with a code", async () => {
    const server = await servers.start({
      jwtSecret,
      onMessage: () => {
        throw new ProtocolError("FORBIDDEN");
      },
    });
    const peer = await server.connect(token());
    expect(await answer(peer, { type: "own", topic: "a:b" })).toMatchObject({ code: "FORBIDDEN", topic: "a:b" });
  });

  test("is counted with the frames of other types", async () => {
    const server = await servers.start({ jwtSecret, metricsToken: "metrics", onMessage: echo });
    const peer = await server.connect(token());
    for (const type of ["a", "b"]) await answer(peer, { type });
    const text = await (await server.http("/metrics", { headers: { Authorization: "Bearer metrics" } })).text();
    expect(text).toContain('tautline_frames_in_total{type="other"} 2');
  });

  test("left out means that types which are none are unknown", async () => {
    const server = await servers.start({ jwtSecret, onConnect: () => undefined });
    const peer = await server.connect(token());
    expect(await answer(peer, { type: "own" })).toMatchObject({ code: "UNKNOWN_TYPE" });
  });
});

describe("the connection of an application", () => {
  async function connected(): Promise<{ connection: ClientConnection; peer: RawPeer }> {
    const opened = Promise.withResolvers<ClientConnection>();
    const server = await servers.start({ jwtSecret, onConnect: (connection) => opened.resolve(connection) });
    const peer = await server.connect(token());
    return { connection: await opened.promise, peer };
  }

  test.each([["connected"], ["Bad"], [""], ["error"]])("sends no frame of the type %p", async (type) => {
    const { connection } = await connected();
    expect(() => connection.send({ type })).toThrow(TypeError);
  });

  test("sends nothing that clients could not read", async () => {
    const { connection, peer } = await connected();
    expect(() => connection.send({ type: "x", deep: { n: 1e300 } })).toThrow(TypeError);
    expect(() => connection.send({ type: "x", n: 1n })).toThrow(TypeError);
    expect(connection.send({ type: "x", timestamp: "mine", run: () => 1 })).toBe(true);
    expect(await peer.json()).toEqual({ type: "x", timestamp: expect.any(Number) });
  });

  test("says so when it is over, and may be closed again", async () => {
    const { connection, peer } = await connected();
    connection.close(4100, "lunch");
    expect(await peer.closed()).toEqual({ code: 4100, reason: "lunch" });
    expect(connection.send({ type: "x" })).toBe(false);
    connection.close();
  });

  test("ends with 1000 by default, with the name of a code that has one, and with a reason that fits", async () => {
    const first = await connected();
    first.connection.close();
    expect(await first.peer.closed()).toEqual({ code: 1000, reason: "NORMAL" });
    const second = await connected();
    second.connection.close(4003);
    expect(await second.peer.closed()).toEqual({ code: 4003, reason: "FORBIDDEN" });
    const third = await connected();
    third.connection.close(4999, "é".repeat(100));
    expect(await third.peer.closed()).toEqual({ code: 4999, reason: "é".repeat(61) });
  });

  test.each([1001, 1006, 3000, 3999, 5000, 4000.5, Number.NaN])("cannot be ended with %p", async (code) => {
    const { connection, peer } = await connected();
    expect(() => connection.close(code)).toThrow(RangeError);
    expect(await answer(peer, { type: "ping" })).toMatchObject({ type: "pong" });
  });
});
