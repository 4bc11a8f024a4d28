import { afterEach, describe, expect, spyOn, test } from "bun:test";
import type { Room } from "../../src/client/index.ts";
import { ClientRig, codeOf, PLACE, settled } from "../support/client-rig.ts";

afterEach(() => ClientRig.closeAll());

describe("a signal", () => {
  test("ends the wait for a message, which is not sent then", async () => {
    const rig = new ClientRig();
    const room = rig.client.join("general");
    const abort = new AbortController();
    const sent = room.send("hello", { signal: abort.signal });
    abort.abort();
    expect(await codeOf(sent)).toBe("AbortError");
    expect(await codeOf(room.send("hello", { signal: abort.signal }))).toBe("AbortError");
    const socket = await rig.connected();
    rig.answerJoin("room:general", { offset: 0, epoch: "e1" });
    expect(socket.ofType("chat_message")).toEqual([]);
  });

  test("ends an iteration", async () => {
    const rig = new ClientRig();
    const abort = new AbortController();
    const done = Array.fromAsync(rig.client.statuses({ signal: abort.signal }));
    await settled();
    abort.abort();
    expect(await done).toEqual([]);
  });

  test("leaves a room, also when it was not joined yet, and nothing else", async () => {
    const rig = new ClientRig();
    const socket = await rig.connected();
    const abort = new AbortController();
    const { signal } = abort;
    const room = rig.client.join("general", { signal });
    const left: string[] = [];
    room.on("left", ({ code }) => left.push(code));
    const codes = [codeOf(room.joined), codeOf(room.send("hello"))];
    await settled();
    abort.abort();
    expect(await Promise.all(codes)).toEqual(["LEFT", "LEFT"]);
    expect(left).toEqual(["OK"]);
    expect(socket.ofType("unsubscribe")).toMatchObject([{ topic: "room:general" }]);
    expect(await codeOf(rig.client.join("other", { signal }).joined)).toBe("LEFT");
    expect(rig.state).toBe("connected");
  });

  test("that is aborted after its room was left ends nothing of the next one", async () => {
    const rig = new ClientRig();
    await rig.connected();
    const abort = new AbortController();
    void rig.client.join("general", { signal: abort.signal }).leave();
    const again = rig.client.join("general");
    abort.abort();
    await settled();
    rig.answerJoin("room:general", { offset: 1, epoch: "e1" });
    expect((await again.joined).offset).toBe(1);
  });

  test.each([
    ["history", (room: Room, signal: AbortSignal) => room.history({ signal })],
    ["presence", (room: Room, signal: AbortSignal) => room.presence({ signal })],
    ["publish", (room: Room, signal: AbortSignal) => room.publish("note", null, { signal })],
  ])("ends the wait for %s, before it is sent and after it", async (type, ask) => {
    const rig = new ClientRig();
    const socket = await rig.connected();
    const room = rig.client.join("general");
    const abort = new AbortController();
    const before = codeOf(ask(room, abort.signal));
    abort.abort();
    expect(await before).toBe("AbortError");
    await settled();
    rig.answerJoin("room:general", { offset: 0, epoch: "e1" });
    expect(socket.ofType(type)).toEqual([]);
    const later = new AbortController();
    const after = codeOf(ask(room, later.signal));
    await settled();
    expect(socket.ofType(type)).toHaveLength(1);
    later.abort();
    expect(await after).toBe("AbortError");
  });

  test("has no listener left behind what it was for", async () => {
    const rig = new ClientRig();
    const socket = await rig.connected();
    const { signal } = new AbortController();
    const removed = spyOn(signal, "removeEventListener");
    const added = spyOn(signal, "addEventListener");
    const room = rig.client.join("general", { signal });
    await settled();
    rig.answerJoin("room:general", { offset: 0, epoch: "e1" });
    const sent = room.send("hello", { signal });
    await settled();
    socket.receive({ type: "message_sent", id: socket.ofType("chat_message")[0]?.["id"], messageId: "m", ...PLACE });
    await sent;
    await room.messages({ signal }).return?.();
    void room.leave();
    const other = new ClientRig({ signal });
    await other.close();
    const listeners = ({ mock }: typeof added | typeof removed) => new Set(mock.calls.map(([, listener]) => listener));
    expect(listeners(removed)).toEqual(listeners(added));
    expect(added).toHaveBeenCalledTimes(4);
  });

  test("closes the client, also when it is aborted before", async () => {
    const abort = new AbortController();
    const rig = new ClientRig({ signal: abort.signal });
    abort.abort();
    expect(rig.state).toBe("closed");
    expect(new ClientRig({ signal: abort.signal }).state).toBe("closed");
  });
});

describe("the end of a client", () => {
  test("settles every promise, whatever is under way", async () => {
    const rig = new ClientRig();
    await rig.connected();
    const { room } = await rig.member("general");
    const joining = rig.client.join("other");
    const waits = [room.send("1"), joining.send("2"), room.history(), room.presence(), joining.joined];
    const codes = Promise.all(waits.map(codeOf));
    const left = rig.client.join("third").leave();
    await rig.close();
    expect(await codes).toEqual(["UNKNOWN_OUTCOME", "CLOSED", "CLOSED", "CLOSED", "CLOSED"]);
    await left;
    expect(await codeOf(room.send("3"))).toBe("CLOSED");
    expect(await codeOf(rig.client.join("fourth").joined)).toBe("CLOSED");
    expect(rig.clock.pendingTimers).toBe(0);
  });

  test("that the function for tokens calls ends the attempt, and what the function throws then is told to nobody", async () => {
    const rig: ClientRig = new ClientRig({
      token: async () => {
        await settled();
        void rig.client.close();
        throw new Error("signed out");
      },
    });
    await settled();
    await settled();
    expect(rig.client.status).toMatchObject({ state: "closed", code: 1000 });
    expect(rig.errors).toEqual([]);
    expect(rig.clock.pendingTimers).toBe(0);
  });

  test("leaves no timer behind, also none that would have asked for a token again", async () => {
    let asked = 0;
    const topicToken = (): string => {
      asked += 1;
      if (asked > 1) throw new Error("away");
      return "topic-token";
    };
    const rig = new ClientRig();
    rig.client.topic("conversation:7", { token: topicToken });
    const first = await rig.connected();
    rig.answerJoin("conversation:7", { offset: 3, epoch: "e1" });
    first.end();
    await rig.advance(250);
    const socket = await rig.connected();
    socket.receive({ type: "auth_expiring", expiresAt: 1 });
    await settled();
    socket.receive({ type: "error", id: "refresh", code: "AUTH_FAILED" });
    expect(rig.errors.map(({ code }) => code)).toEqual(["TOKEN_FAILED", "AUTH_FAILED"]);
    await rig.close();
    expect(rig.clock.pendingTimers).toBe(0);
  });

  test("that the node demands does the same, and is one that reconnectNow takes back", async () => {
    const rig = new ClientRig();
    await rig.connected();
    const { room } = await rig.member("general", 4);
    const sent = codeOf(room.send("1"));
    await settled();
    rig.socket.end(4003, "REVOKED");
    expect(await sent).toBe("UNKNOWN_OUTCOME");
    rig.client.reconnectNow();
    const socket = await rig.connected();
    expect(socket.ofType("subscribe")).toMatchObject([{ recover: { offset: 4, epoch: "e1" } }]);
  });
});

describe("an error of the node that answers nothing", () => {
  test("is an event of the client", async () => {
    const rig = new ClientRig();
    const socket = await rig.connected();
    socket.receive({ type: "error", code: "RATE_LIMITED", retryAfterMs: 10 });
    expect(rig.errors.map(({ code, retryAfterMs }) => [code, retryAfterMs])).toEqual([["RATE_LIMITED", 10]]);
  });
});
