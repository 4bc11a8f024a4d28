import { afterEach, describe, expect, test } from "bun:test";
import { ClientRig, networkIsBack, settled } from "../support/client-rig.ts";

afterEach(() => ClientRig.closeAll());

describe("the delay before the next attempt", () => {
  test("doubles up to its bound, and begins again after a connection that held", async () => {
    const rig = new ClientRig({ backoff: { minDelayMs: 1_000, maxDelayMs: 8_000 } });
    const delays: number[] = [];
    for (let attempt = 0; attempt < 6; attempt += 1) {
      (await rig.opening()).end();
      const { status } = rig.client;
      if (status.state !== "waiting") throw new Error(status.state);
      delays.push(status.until - rig.clock.now());
      await rig.advance(status.until - rig.clock.now());
    }
    expect(delays).toEqual([500, 1_000, 2_000, 4_000, 4_000, 4_000]);

    const socket = await rig.connected();
    await rig.advance(9_999);
    socket.end();
    expect(rig.client.status).toMatchObject({ state: "waiting", attempt: 6 });
    await rig.advance(4_000);
    const stable = await rig.connected();
    await rig.advance(10_000);
    stable.end();
    expect(rig.client.status).toMatchObject({ state: "waiting", attempt: 0 });
  });

  test("is what the reason of a close asks for", async () => {
    const rig = new ClientRig();
    (await rig.connected()).end(1012, '{"retryAfterMs":9000}');
    expect(rig.client.status).toMatchObject({ until: rig.clock.now() + 9_000, why: { code: 1012, name: "DRAINING" } });
  });

  test("is what auth_error asked for", async () => {
    const rig = new ClientRig();
    const socket = await rig.opening();
    socket.open();
    socket.receive({ type: "auth_error", code: "CONNECTION_LIMIT", retryAfterMs: 60_000 });
    socket.end(4008, "CONNECTION_LIMIT");
    expect(rig.client.status).toMatchObject({
      until: rig.clock.now() + 60_000,
      why: { code: 4008, name: "CONNECTION_LIMIT" },
    });
  });

  test("is what server_draining asked for when the close says nothing, and what the close says where it does", async () => {
    const rig = new ClientRig();
    const cut = await rig.connected();
    cut.receive({ type: "server_draining", retryAfterMs: 20_000 });
    cut.end();
    expect(rig.client.status).toMatchObject({ until: rig.clock.now() + 20_000, why: { code: 1006, name: "LOST" } });
    await rig.advance(20_000);
    const closed = await rig.connected();
    closed.receive({ type: "server_draining", retryAfterMs: 20_000 });
    closed.end(1012, '{"retryAfterMs":7000}');
    expect(rig.client.status).toMatchObject({ until: rig.clock.now() + 7_000, why: { name: "DRAINING" } });
    await rig.advance(7_000);
    // Another node has nothing to do with it.
    (await rig.connected()).end();
    expect(rig.client.status).toMatchObject({ state: "waiting", attempt: 2, until: rig.clock.now() + 1_000 });
  });

  test("is cut short when the network is back, and by reconnectNow", async () => {
    const rig = new ClientRig({ backoff: { minDelayMs: 60_000, maxDelayMs: 60_000 } });
    (await rig.opening()).end();
    networkIsBack();
    expect(rig.state).toBe("connecting");
    (await rig.opening()).end();
    expect(rig.client.status).toMatchObject({ state: "waiting", attempt: 0 });
    rig.client.reconnectNow();
    expect(rig.state).toBe("connecting");
  });
});

describe("a connection that ends", () => {
  test.each([
    [1000, "waiting"],
    [1001, "waiting"],
    [1002, "closed"],
    [1007, "closed"],
    [1009, "closed"],
    [1011, "waiting"],
    [1012, "waiting"],
    [4001, "waiting"],
    [4003, "closed"],
    [4008, "waiting"],
    [4013, "waiting"],
    [4029, "waiting"],
    [4090, "waiting"],
    [1005, "waiting"],
    [4100, "closed"],
  ])("with %i is %s then", async (code, state) => {
    const rig = new ClientRig();
    (await rig.connected()).end(code, "why");
    expect(rig.state).toBe(state);
    if (state === "closed") expect(rig.client.status).toMatchObject({ code, reason: "why" });
  });

  test("for its token is over for good when the same token comes again", async () => {
    const rig = new ClientRig({ token: () => "always the same" });
    (await rig.connected()).end(4001, "TOKEN_EXPIRED");
    expect(rig.state).toBe("waiting");
    await rig.advance(250);
    const socket = await rig.opening();
    socket.open();
    socket.receive({ type: "auth_error", code: "TOKEN_EXPIRED" });
    socket.end(4001, "TOKEN_EXPIRED");
    expect(rig.client.status).toMatchObject({ state: "closed", code: 4001, name: "TOKEN_EXPIRED" });
  });

  test("for good is made again by reconnectNow, and not after close", async () => {
    const rig = new ClientRig();
    (await rig.connected()).end(4100, "moved");
    rig.client.reconnectNow();
    await rig.connected();
    expect(rig.state).toBe("connected");
    const closing = rig.client.close();
    expect(rig.socket.closedWith).toBe(1000);
    await rig.advance(1_000);
    await closing;
    rig.client.reconnectNow();
    networkIsBack();
    expect(rig.state).toBe("closed");
    expect(rig.clock.pendingTimers).toBe(0);
  });
});

describe("silence", () => {
  test("is broken by a ping, and a connection that stays silent is dead at the announced time", async () => {
    const rig = new ClientRig();
    const socket = await rig.connected();
    await rig.advance(29_999);
    expect(socket.ofType("ping")).toEqual([]);
    await rig.advance(1);
    expect(socket.ofType("ping")).toHaveLength(1);
    await rig.advance(59_999);
    expect(rig.state).toBe("connected");
    await rig.advance(1);
    expect(rig.client.status).toMatchObject({ state: "waiting", why: { code: 4090, name: "HEARTBEAT_LOST" } });
    expect(socket.closedWith).toBe(4090);
  });

  test("is over with anything that comes", async () => {
    const rig = new ClientRig();
    const socket = await rig.connected();
    for (let minute = 0; minute < 10; minute += 1) {
      await rig.advance(30_000);
      socket.receive({ type: "pong" });
      await rig.advance(30_000);
      socket.receive({ type: "typing", roomSlug: "x", userId: 1, username: "x", isTyping: true });
    }
    expect(rig.state).toBe("connected");
  });

  test("of a machine that slept ends with a ping, and five seconds later when nothing answers", async () => {
    const rig = new ClientRig();
    const socket = await rig.connected();
    rig.clock.sleep(3_600_000);
    await settled();
    expect(rig.state).toBe("connected");
    expect(socket.ofType("ping")).toHaveLength(1);
    await rig.advance(5_000);
    expect(rig.state).toBe("waiting");
  });

  test("is not waited for when the network has changed", async () => {
    const rig = new ClientRig();
    const socket = await rig.connected();
    networkIsBack();
    expect(socket.ofType("ping")).toHaveLength(1);
    socket.receive({ type: "pong" });
    await rig.advance(5_000);
    expect(rig.state).toBe("connected");
    rig.client.reconnectNow();
    await rig.advance(5_000);
    expect(rig.client.status).toMatchObject({ state: "waiting", why: { name: "HEARTBEAT_LOST" } });
  });

  test("of a node that asks by frames is none: it gets its pong", async () => {
    const rig = new ClientRig();
    const socket = await rig.connected();
    socket.receive({ type: "ping" });
    expect(socket.ofType("pong")).toHaveLength(1);
  });
});

describe("a token that ends", () => {
  test("is replaced on the connection that is there", async () => {
    const rig = new ClientRig();
    const socket = await rig.connected();
    socket.receive({ type: "auth_expiring", expiresAt: 1 });
    await settled();
    expect(socket.ofType("refresh")).toEqual([{ type: "refresh", id: "refresh", token: "token-2" }]);
    socket.receive({ type: "auth_refreshed", id: "refresh", expiresAt: 2, kept: [], lost: [], gained: [] });
    expect(rig.errors).toEqual([]);
  });

  test("while the machine sleeps is replaced when it wakes up, whether or not the node can say so, and the room has its place", async () => {
    const rig = new ClientRig();
    await rig.connected();
    await rig.member("general", 7);
    for (const wake of ["closed", "silent"]) {
      const asleep = rig.socket;
      rig.clock.sleep(3_600_000);
      expect(asleep.ofType("ping")).toHaveLength(1);
      if (wake === "closed") asleep.end(4001, "TOKEN_EXPIRED");
      else await rig.advance(5_000);
      expect(rig.client.status).toMatchObject({ state: "waiting", attempt: 0 });
      await rig.advance(250);
      const socket = await rig.connected();
      expect(socket).not.toBe(asleep);
      expect(socket.protocols).toContain(`token-${rig.asked}`);
      expect(socket.ofType("subscribe")).toMatchObject([{ recover: { offset: 7, epoch: "e1" } }]);
      rig.answerJoin("room:general", { offset: 7, epoch: "e1", wasRecovering: true, recovered: true, messages: [] });
    }
    expect(rig.asked).toBe(3);
  });

  test.each(["TOKEN_FAILED", "AUTH_FAILED"])("is asked for again when that fails with %s", async (code) => {
    let asked = 0;
    const rig = new ClientRig({
      token: () => {
        asked += 1;
        if (asked === 2 && code === "TOKEN_FAILED") throw new Error("no");
        return `token-${asked}`;
      },
    });
    const socket = await rig.connected();
    socket.receive({ type: "auth_expiring", expiresAt: 1 });
    await settled();
    if (code === "AUTH_FAILED") socket.receive({ type: "error", id: "refresh", code });
    expect(rig.errors.map((error) => error.code)).toEqual([code]);
    await rig.advance(5_000);
    expect(socket.ofType("refresh").at(-1)).toMatchObject({ token: "token-3" });
  });

  test("of a ticket ends the connection, and another ticket opens the next one", async () => {
    const rig = new ClientRig({ ticket: () => "ticket" });
    const socket = await rig.connected();
    socket.receive({ type: "auth_expiring", expiresAt: 1 });
    await settled();
    expect(rig.asked).toBe(1);
  });
});

describe("what is no frame", () => {
  test("is told as an error and harms nothing", async () => {
    const rig = new ClientRig();
    const socket = await rig.connected();
    socket.receiveText("{");
    socket.receiveText("null");
    socket.receiveText('{"type":7}');
    socket.receive({ type: "of.another.version", topic: "room:nowhere" });
    expect(rig.errors.map(({ code }) => code)).toEqual(["BAD_FRAME"]);
    expect(rig.state).toBe("connected");
  });
});
