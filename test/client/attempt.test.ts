import { afterEach, describe, expect, test } from "bun:test";
import { connect } from "../../src/client/index.ts";
import { ClientRig, settled } from "../support/client-rig.ts";
import { FakeClock } from "../support/clock.ts";
import { ScriptedSockets } from "../support/scripted-sockets.ts";

afterEach(() => ClientRig.closeAll());

describe("an attempt", () => {
  test("asks for a token, opens the address with it as a subprotocol, and is connected by the greeting", async () => {
    const rig = new ClientRig();
    expect(rig.state).toBe("connecting");
    const socket = await rig.opening();
    expect(socket.url.href).toBe("ws://node.test/ws");
    expect(socket.protocols).toEqual(["tautline.v1.json", "auth", "token-1"]);
    socket.open();
    expect(rig.state).toBe("connecting");
    socket.greet();
    expect(rig.client.status).toMatchObject({ state: "connected", connectionId: "c1", nodeId: "n1" });
  });

  test("sends the token as the first frame where that is asked for", async () => {
    const rig = new ClientRig({ auth: "first-message" });
    const socket = await rig.opening();
    expect(socket.protocols).toEqual(["tautline.v1.json"]);
    expect(socket.sent).toEqual([]);
    socket.open();
    expect(socket.sent).toEqual([{ type: "auth", token: "token-1" }]);
    socket.greet({ type: "auth_success" });
    expect(rig.state).toBe("connected");
  });

  test("puts a ticket into the address, and nothing else of what it knows", async () => {
    const rig = new ClientRig({ ticket: () => "a ticket" });
    const socket = await rig.opening();
    expect([...socket.url.searchParams]).toEqual([["ticket", "a ticket"]]);
    expect(socket.protocols).toEqual(["tautline.v1.json"]);
  });

  test("puts a token into the address only when that is asked for", async () => {
    const socket = await new ClientRig({ auth: "query" }).opening();
    expect([...socket.url.searchParams]).toEqual([["token", "token-1"]]);
  });

  test.each([
    ["a close", "end"],
    ["an error without a close, as in Node 22", "fail"],
  ] as const)("that ends by %s before it was open is made again, with another token", async (_title, how) => {
    const rig = new ClientRig();
    const first = await rig.opening();
    if (how === "end") first.end(1002);
    else first.fail();
    const why = { code: 0, name: "CONNECT_FAILED", reason: "" };
    expect(rig.client.status).toMatchObject({ state: "waiting", attempt: 0, why });
    await rig.advance(250);
    expect(rig.socket).not.toBe(first);
    expect(rig.socket.protocols).toContain("token-2");
  });

  test("that takes too long is given up, wherever it stands", async () => {
    const asking = new ClientRig({ token: () => new Promise<string>(() => undefined) });
    await settled();
    await asking.advance(20_000);
    expect(asking.client.status).toMatchObject({ state: "waiting", why: { code: 0, name: "CONNECT_FAILED" } });

    const opening = new ClientRig();
    const socket = await opening.opening();
    await opening.advance(20_000);
    expect(opening.state).toBe("waiting");
    expect(socket.closedWith).toBe(4090);
    // What comes from it later is nobody's.
    socket.open();
    socket.greet();
    expect(opening.state).toBe("waiting");

    const greeting = new ClientRig({ connectTimeoutMs: 1_000 });
    (await greeting.opening()).open();
    await greeting.advance(1_000);
    expect(greeting.state).toBe("waiting");
  });

  test("that is refused before it is open is made again with another token each time, and the status counts", async () => {
    const rig = new ClientRig({ backoff: { minDelayMs: 2, maxDelayMs: 2 } });
    for (let attempt = 0; attempt < 10; attempt += 1) {
      expect(rig.client.status).toEqual({ state: "connecting", attempt });
      const socket = await rig.opening();
      expect(socket.protocols).toContain(`token-${attempt + 1}`);
      socket.end();
      expect(rig.client.status).toMatchObject({ state: "waiting", attempt, why: { name: "CONNECT_FAILED" } });
      await rig.advance(1);
    }
  });

  test("takes no token that came after it was given up", async () => {
    const given: ((token: string) => void)[] = [];
    const rig = new ClientRig({ token: () => new Promise((resolve) => given.push(resolve)) });
    await settled();
    await rig.advance(20_000);
    given[0]?.("late");
    await settled();
    expect(rig.sockets.made).toEqual([]);
  });

  test.each([
    ["https://node.test/ws", "wss:"],
    ["wss://node.test/ws", "wss:"],
    ["http://node.test/ws", "ws:"],
  ])("to %s goes by %s, each time", async (url, protocol) => {
    const [sockets, clock] = [new ScriptedSockets(), new FakeClock()];
    const client = connect(url, { token: "t", clock, random: () => 0, WebSocket: sockets.constructorFor });
    for (let attempt = 0; attempt < 4; attempt += 1) {
      await settled();
      sockets.last.end();
      clock.advance(0);
    }
    await client.close();
    expect(sockets.made.map((socket) => socket.url.protocol)).toEqual(Array.from({ length: 4 }, () => protocol));
  });

  test("refuses an address that is none at once", () => {
    expect(() => connect("nowhere", { token: "t" })).toThrow();
  });
});

describe("a token that cannot be had", () => {
  test("is told, and asked for again", async () => {
    const rig = new ClientRig({ token: () => Promise.reject(new Error("no session")) });
    await settled();
    expect(rig.errors.map(({ code }) => code)).toEqual(["TOKEN_FAILED"]);
    expect(rig.client.status).toMatchObject({ state: "waiting", why: { code: 0, name: "TOKEN_FAILED" } });
    await rig.advance(250);
    expect(rig.asked).toBe(2);
  });

  test.each([
    ["a response with Retry-After", new Response(null, { status: 503, headers: { "Retry-After": "7" } }), 7_000],
    ["an error with retryAfterMs", Object.assign(new Error("busy"), { retryAfterMs: 4_000 }), 4_000],
  ])("is asked for when %s says so", async (_title, thrown, ms) => {
    const rig = new ClientRig({ ticket: () => Promise.reject(thrown) });
    await settled();
    await rig.advance(ms - 1);
    expect(rig.asked).toBe(1);
    await rig.advance(1);
    expect(rig.asked).toBe(2);
  });

  test("is one that is empty or no text", async () => {
    const rig = new ClientRig({ token: () => "" });
    await settled();
    expect(rig.state).toBe("waiting");
    expect(rig.sockets.made).toEqual([]);
  });
});

describe("an error", () => {
  test("never has the token in it, also not one of the WebSocket that could not be made with it", async () => {
    const token = "a token";
    const rig = new ClientRig({ WebSocket, token: () => token });
    await settled();
    expect(() => new WebSocket("ws://127.0.0.1:1", ["auth", token])).toThrow(token);
    expect(rig.errors.map(({ code, cause }) => [code, cause])).toEqual([["TOKEN_FAILED", undefined]]);
    expect(rig.client.status).toMatchObject({ state: "waiting", why: { code: 0, name: "TOKEN_FAILED" } });
    expect(Bun.inspect([rig.errors, rig.statuses])).not.toContain(token);
  });

  test("of the function for tokens is the cause of the one that tells it", async () => {
    const cause = new Error("no session");
    const rig = new ClientRig({ token: () => Promise.reject(cause) });
    await settled();
    expect(rig.errors[0]?.cause).toBe(cause);
  });
});
