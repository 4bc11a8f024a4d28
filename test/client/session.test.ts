import { afterEach, describe, expect, spyOn, test } from "bun:test";
import { chat, ClientRig, codeOf, settled } from "../support/client-rig.ts";

afterEach(() => ClientRig.closeAll());

const PLACE = { roomSlug: "general", offset: 1, epoch: "e1" };

describe("a room", () => {
  test("is the same one each time, by its slug or by its topic, until it is left", async () => {
    const rig = new ClientRig();
    const room = rig.client.join("general");
    expect(rig.client.join("general")).toBe(room);
    expect(rig.client.topic("room:general")).toBe(room);
    await room.leave();
    expect(rig.client.join("general")).not.toBe(room);
  });

  test("is joined once there is a connection, and again with its position on the next one", async () => {
    const rig = new ClientRig();
    const room = rig.client.join("general");
    const socket = await rig.connected();
    expect(socket.ofType("subscribe")).toEqual([{ type: "subscribe", topic: "room:general", id: 1 }]);
    rig.answerJoin("room:general", { offset: 3, epoch: "e1", userCount: 2 });
    expect(await room.joined).toEqual({ offset: 3, epoch: "e1", userCount: 2, recovered: undefined });
    socket.receive(chat(4, "four"));
    socket.end();
    await rig.advance(250);
    const next = await rig.connected();
    expect(next.ofType("subscribe")).toMatchObject([{ topic: "room:general", recover: { offset: 4, epoch: "e1" } }]);
  });

  test("begins at a position that the application kept", async () => {
    const rig = new ClientRig();
    rig.client.join("general", { recover: { offset: 9, epoch: "e0" } });
    const socket = await rig.connected();
    expect(socket.ofType("subscribe")).toMatchObject([{ recover: { offset: 9, epoch: "e0" } }]);
  });

  test("that a listener of the status joins is asked for once", async () => {
    const rig = new ClientRig();
    rig.client.on("status", ({ state }) => state === "connected" && rig.client.join("general"));
    const socket = await rig.connected();
    expect(socket.ofType("subscribe")).toHaveLength(1);
  });

  test("gives the messages of a recovery before those that came live meanwhile, each once", async () => {
    const rig = new ClientRig();
    await rig.connected();
    const { room, got } = await rig.member("general", 0);
    const gaps: unknown[] = [];
    room.on("gap", (gap) => gaps.push(gap));
    rig.socket.receive(chat(1, "1"));
    rig.socket.end();
    await rig.advance(250);
    const socket = await rig.connected();
    socket.receive(chat(5, "5"));
    rig.answerJoin("room:general", {
      offset: 4,
      epoch: "e1",
      wasRecovering: true,
      recovered: true,
      messages: [chat(2, "2")],
    });
    socket.receive(chat(6, "6"));
    socket.receive({ type: "recovered", roomSlug: "general", messages: [chat(3, "3")], more: true });
    socket.receive({ type: "recovered", roomSlug: "general", messages: [chat(4, "4"), chat(5, "5")], more: false });
    socket.receive(chat(6, "6"));
    expect(got.map(({ text, isRecovered }) => `${text}${isRecovered ? "r" : ""}`)).toEqual([
      "1",
      "2r",
      "3r",
      "4r",
      "5r",
      "6",
    ]);
    expect(gaps).toEqual([]);
  });

  test("tells what cannot be recovered as a gap", async () => {
    const rig = new ClientRig();
    await rig.connected();
    const { room } = await rig.member("general", 7);
    const told: unknown[] = [];
    room.on("joined", ({ recovered }) => told.push(recovered));
    room.on("gap", (gap) => told.push(gap));
    rig.socket.end();
    await rig.advance(250);
    await rig.connected();
    rig.answerJoin("room:general", { offset: 2, epoch: "e2", wasRecovering: true, recovered: false });
    expect(told).toEqual([false, { after: { offset: 7, epoch: "e1" }, to: { offset: 2, epoch: "e2" } }]);
    rig.socket.receive({ type: "gap", roomSlug: "general", offset: 5, epoch: "e2" });
    expect(told.at(-1)).toEqual({ after: { offset: 2, epoch: "e2" }, to: { offset: 5, epoch: "e2" } });
  });

  test("that is refused says why, and is another one after that", async () => {
    const rig = new ClientRig();
    const socket = await rig.connected();
    const room = rig.client.join("secret");
    const left: string[] = [];
    room.on("left", ({ code }) => left.push(code));
    const sent = room.send("hello");
    await settled();
    socket.receive({ type: "error", code: "FORBIDDEN", id: socket.ofType("subscribe")[0]?.["id"], roomSlug: "secret" });
    expect(await codeOf(room.joined)).toBe("FORBIDDEN");
    expect(await codeOf(sent)).toBe("LEFT");
    expect(await codeOf(room.send("again"))).toBe("LEFT");
    expect(left).toEqual(["FORBIDDEN"]);
    expect(rig.client.join("secret")).not.toBe(room);
  });

  test("that is refused for now is asked for again", async () => {
    const rig = new ClientRig();
    const socket = await rig.connected();
    const room = rig.client.join("general");
    await settled();
    const [join] = socket.ofType("subscribe");
    socket.receive({ type: "error", code: "UNAVAILABLE", id: join?.["id"], retryAfterMs: 1_000 });
    await rig.advance(999);
    expect(socket.ofType("subscribe")).toHaveLength(1);
    await rig.advance(1);
    rig.answerJoin("room:general", { offset: 0, epoch: "e1" });
    expect((await room.joined).offset).toBe(0);
  });

  test("that the node takes away is left with its code", async () => {
    const rig = new ClientRig();
    const socket = await rig.connected();
    const { room } = await rig.member("general");
    const left: string[] = [];
    room.on("left", ({ code }) => left.push(code));
    socket.receive({ type: "unsubscribed", roomSlug: "general", code: "REVOKED", reason: "" });
    expect(left).toEqual(["REVOKED"]);
  });

  test("tells who comes, goes and types", async () => {
    const rig = new ClientRig();
    const socket = await rig.connected();
    const { room } = await rig.member("general");
    const [ada, bob] = [
      { userId: 1, username: "ada" },
      { userId: "2", username: "bob" },
    ];
    const told: unknown[] = [];
    room.on("presence", (change) => told.push(change));
    room.on("typing", ({ userId, isTyping }) => told.push([userId, isTyping]));
    socket.receive({ type: "user_joined", roomSlug: "general", data: ada });
    socket.receive({ type: "user_left", roomSlug: "general", data: bob });
    socket.receive({ type: "presence_diff", roomSlug: "general", joined: [bob], userCount: 2 });
    socket.receive({ type: "typing", roomSlug: "general", ...ada, isTyping: true });
    expect(told).toEqual([
      { joined: [ada], left: [], userCount: undefined },
      { joined: [], left: [bob], userCount: undefined },
      { joined: [bob], left: [], userCount: 2 },
      [1, true],
    ]);
    room.typing(true);
    expect(socket.ofType("typing")).toEqual([{ type: "typing", topic: "room:general", isTyping: true }]);
  });

  test("takes an event of any name for a message, also one that objects have by themselves", async () => {
    const rig = new ClientRig();
    const socket = await rig.connected();
    const { got } = await rig.member("general");
    socket.receive({
      type: "constructor",
      ...PLACE,
      data: { a: 1 },
      messageId: "x",
      from: { userId: 3, username: "c" },
    });
    expect(got).toMatchObject([
      { event: "constructor", data: { a: 1 }, messageId: "x", from: { userId: 3 }, text: undefined },
    ]);
  });

  test("whose listener throws goes on, and the error is one that nobody caught", async () => {
    const rig = new ClientRig();
    const socket = await rig.connected();
    const { room, got } = await rig.member("general");
    const later = spyOn(globalThis, "queueMicrotask").mockImplementation(() => undefined);
    const off = room.on("message", () => {
      throw new Error("of the application");
    });
    socket.receive(chat(1, "1"));
    expect(later.mock.calls[0]?.[0]).toThrow("of the application");
    later.mockRestore();
    off();
    socket.receive(chat(2, "2"));
    expect(got).toHaveLength(2);
  });
});

describe("a topic with a token of its own", () => {
  test("is joined with a fresh one on each connection", async () => {
    const rig = new ClientRig();
    let given = 0;
    rig.client.topic("conversation:7", { token: () => `topic-token-${(given += 1)}` });
    const first = await rig.connected();
    expect(first.ofType("subscribe")).toMatchObject([{ topic: "conversation:7", token: "topic-token-1" }]);
    first.end();
    await rig.advance(250);
    const second = await rig.connected();
    expect(second.ofType("subscribe")).toMatchObject([{ token: "topic-token-2" }]);
  });

  test("is left when there is none", async () => {
    const rig = new ClientRig();
    const topic = rig.client.topic("conversation:7", { token: () => Promise.reject(new Error("no")) });
    await rig.connected();
    expect(await codeOf(topic.joined)).toBe("TOKEN_FAILED");
  });

  test("is not left when there is none behind a break, but asked for again", async () => {
    const rig = new ClientRig();
    const errors: string[] = [];
    rig.client.on("error", ({ code }) => errors.push(code));
    let isAway = false;
    const token = (): Promise<string> => (isAway ? Promise.reject(new Error("away")) : Promise.resolve("topic-token"));
    const topic = rig.client.topic("conversation:7", { token });
    const left: unknown[] = [];
    topic.on("left", (event) => left.push(event));
    const first = await rig.connected();
    await settled();
    rig.answerJoin("conversation:7", { offset: 3, epoch: "e1" });
    await topic.joined;
    isAway = true;
    first.end();
    await rig.advance(250);
    const second = await rig.connected();
    await settled();
    expect([errors, second.ofType("subscribe"), left]).toEqual([["TOKEN_FAILED"], [], []]);
    isAway = false;
    await rig.advance(5_000);
    await settled();
    const again = { topic: "conversation:7", token: "topic-token", recover: { offset: 3, epoch: "e1" } };
    expect(second.ofType("subscribe")).toMatchObject([again]);
  });
});

describe("a message", () => {
  test("that is sent offline waits for the room, and settles with its confirmation", async () => {
    const rig = new ClientRig();
    const room = rig.client.join("general");
    const sent = room.send("hello", { messageId: "mine" });
    const socket = await rig.connected();
    expect(socket.ofType("chat_message")).toEqual([]);
    rig.answerJoin("room:general", { offset: 0, epoch: "e1" });
    const [frame] = socket.ofType("chat_message");
    expect(frame).toMatchObject({ roomSlug: "general", message: "hello", messageId: "mine" });
    socket.receive({ type: "message_sent", id: frame?.["id"], messageId: "mine", ...PLACE });
    expect(await sent).toEqual({ messageId: "mine", offset: 1, epoch: "e1" });
  });

  test("without a confirmation is sent again with the same id, in the order of before", async () => {
    const rig = new ClientRig();
    const first = await rig.connected();
    const { room } = await rig.member("general");
    const sent = [room.send("one"), room.publish("two", { two: 2 })];
    await settled();
    first.end();
    await rig.advance(250);
    const second = await rig.connected();
    rig.answerJoin("room:general", { offset: 0, epoch: "e1", wasRecovering: true, recovered: true, messages: [] });
    const again = second.sent.filter(({ messageId }) => messageId !== undefined);
    expect(again).toEqual(first.sent.filter(({ messageId }) => messageId !== undefined));
    expect(again.map(({ type }) => type)).toEqual(["chat_message", "publish"]);
    for (const { id } of again) second.receive({ type: "published", id, ...PLACE });
    expect(await Promise.all(sent)).toHaveLength(2);
  });

  test("is what it was when it was sent, whatever becomes of its data", async () => {
    const rig = new ClientRig();
    const room = rig.client.join("general");
    const data = { text: "first" };
    void room.publish("note", data).catch(() => undefined);
    data.text = "changed";
    const socket = await rig.connected();
    rig.answerJoin("room:general", { offset: 0, epoch: "e1" });
    expect(socket.ofType("publish")).toMatchObject([{ data: { text: "first" } }]);
  });

  test("that was sent and not confirmed for four minutes is given back as unknown, and not sent again", async () => {
    const rig = new ClientRig({ backoff: { minDelayMs: 300_000, maxDelayMs: 600_000 } });
    await rig.connected();
    const { room } = await rig.member("general");
    const sent = room.send("hello");
    const never = rig.client.join("other").send("never sent");
    await settled();
    rig.socket.end();
    await rig.advance(239_999);
    let code = "";
    void codeOf(sent).then((known) => (code = known));
    await settled();
    expect(code).toBe("");
    await rig.advance(1);
    expect(code).toBe("UNKNOWN_OUTCOME");
    rig.client.reconnectNow();
    const socket = await rig.connected();
    rig.answerJoin("room:general", { offset: 0, epoch: "e1" });
    rig.answerJoin("room:other", { offset: 0, epoch: "e1" });
    expect(socket.ofType("chat_message")).toMatchObject([{ message: "never sent" }]);
    socket.receive({ type: "message_sent", id: socket.ofType("chat_message")[0]?.["id"], messageId: "m", ...PLACE });
    expect(await codeOf(never)).toBe("settled");
  });

  test("is not sent again by a machine that slept for longer", async () => {
    const rig = new ClientRig();
    await rig.connected();
    const { room } = await rig.member("general");
    const sent = codeOf(room.send("hello"));
    await settled();
    rig.socket.end();
    rig.clock.sleep(3_600_000);
    const socket = await rig.connected();
    rig.answerJoin("room:general", { offset: 0, epoch: "e1" });
    expect(socket.ofType("chat_message")).toEqual([]);
    expect(await sent).toBe("UNKNOWN_OUTCOME");
  });

  test("that is refused is given back with the code", async () => {
    const rig = new ClientRig();
    const socket = await rig.connected();
    const { room } = await rig.member("general");
    const sent = room.send("");
    await settled();
    socket.receive({ type: "error", code: "BAD_MESSAGE", id: socket.ofType("chat_message")[0]?.["id"] });
    expect(await codeOf(sent)).toBe("BAD_MESSAGE");
  });

  test("that is refused after an earlier try that may have got through is unknown, with the code as its cause", async () => {
    const rig = new ClientRig();
    await rig.connected();
    const { room } = await rig.member("general");
    const sent = room.send("hello");
    await settled();
    rig.socket.end();
    await rig.advance(250);
    const socket = await rig.connected();
    rig.answerJoin("room:general", { offset: 0, epoch: "e1" });
    socket.receive({ type: "error", code: "FORBIDDEN", id: socket.ofType("chat_message")[0]?.["id"] });
    expect(await sent.catch((error: unknown) => error)).toMatchObject({
      code: "UNKNOWN_OUTCOME",
      cause: { code: "FORBIDDEN" },
    });
  });

  test("that is over the rate is sent again when the node said so, one at a time", async () => {
    const rig = new ClientRig();
    const socket = await rig.connected();
    const { room } = await rig.member("general");
    const sent = [room.send("1"), room.send("2"), room.send("3")];
    await settled();
    for (const { id } of socket.ofType("chat_message"))
      socket.receive({ type: "error", code: "RATE_LIMITED", id, retryAfterMs: 50 });
    await rig.advance(50);
    expect(socket.ofType("chat_message").slice(3)).toMatchObject([{ message: "1" }]);
    for (let at = 3; at < 6; at += 1) {
      const { id } = socket.ofType("chat_message")[at] ?? {};
      socket.receive({ type: "message_sent", id, messageId: "m", ...PLACE });
    }
    expect(socket.ofType("chat_message").slice(3)).toMatchObject([
      { message: "1" },
      { message: "2" },
      { message: "3" },
    ]);
    expect(await Promise.all(sent)).toHaveLength(3);
  });

  test("that is larger than the node takes is refused here, and the connection stays", async () => {
    const rig = new ClientRig();
    const socket = await rig.connected({ limits: { maxMessageBytes: 1_000, messagesPerSecond: 20 } });
    const { room } = await rig.member("general");
    expect(await codeOf(room.publish("big", "ü".repeat(500)))).toBe("MESSAGE_TOO_LARGE");
    expect(socket.ofType("publish")).toEqual([]);
    expect(rig.state).toBe("connected");
  });

  test("of what no framing can say is refused at once", async () => {
    const rig = new ClientRig();
    const room = rig.client.join("general");
    expect(await codeOf(room.publish("big", 1n))).toBe("TypeError");
  });

  test("is refused when too many wait, or too much", async () => {
    const rig = new ClientRig({ maxQueuedMessages: 2 });
    const room = rig.client.join("general");
    const sent = [room.send("1"), room.send("2")];
    expect(await codeOf(room.send("3"))).toBe("QUEUE_FULL");
    const large = new ClientRig({ maxQueuedBytes: 300 });
    expect(await codeOf(large.client.join("general").send("x".repeat(300)))).toBe("QUEUE_FULL");
    await rig.close();
    expect(await Promise.all(sent.map(codeOf))).toEqual(["CLOSED", "CLOSED"]);
  });
});

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

  test("closes the client, also when it is aborted before", async () => {
    const abort = new AbortController();
    const rig = new ClientRig({ signal: abort.signal });
    abort.abort();
    expect(rig.state).toBe("closed");
    expect(new ClientRig({ signal: abort.signal }).state).toBe("closed");
  });
});

describe("an iteration", () => {
  test("gives messages from its beginning on, and ends when the room is left", async () => {
    const rig = new ClientRig();
    const socket = await rig.connected();
    const { room } = await rig.member("general");
    const messages = room.messages();
    socket.receive(chat(1, "1"));
    socket.receive(chat(2, "2"));
    expect((await messages.next()).value).toMatchObject({ text: "1" });
    void room.leave();
    expect((await messages.next()).value).toMatchObject({ text: "2" });
    expect((await messages.next()).done).toBe(true);
    expect(await Array.fromAsync(room)).toEqual([]);
  });

  test("that does not keep up fails, for else messages would be missing", async () => {
    const rig = new ClientRig();
    const socket = await rig.connected();
    const { room } = await rig.member("general");
    const messages = room.messages();
    for (let offset = 1; offset <= 1_001; offset += 1) socket.receive(chat(offset, "x"));
    expect(await codeOf(messages.next())).toBe("OVERFLOW");
    expect((await messages.next()).done).toBe(true);
  });

  test("of the statuses ends with the client", async () => {
    const rig = new ClientRig();
    const done = Array.fromAsync(rig.client.statuses());
    await rig.connected();
    await rig.close();
    expect((await done).map(({ state }) => state)).toEqual(["connected", "closed"]);
    expect(await Array.fromAsync(rig.client.statuses())).toEqual([]);
    expect(await Array.fromAsync(rig.client.join("general"))).toEqual([]);
  });
});

describe("a room that is left", () => {
  test("gives back what was not sent, and waits for the confirmation of what was", async () => {
    const rig = new ClientRig();
    const socket = await rig.connected();
    const { room } = await rig.member("general");
    const onItsWay = room.send("1");
    await settled();
    const left = room.leave();
    expect(await codeOf(room.send("2"))).toBe("LEFT");
    const types = socket.sent.map(({ type }) => type);
    expect(types.indexOf("unsubscribe")).toBeGreaterThan(types.indexOf("chat_message"));
    socket.receive({ type: "message_sent", id: socket.ofType("chat_message")[0]?.["id"], messageId: "m", ...PLACE });
    socket.receive({
      type: "unsubscribed",
      id: socket.ofType("unsubscribe")[0]?.["id"],
      roomSlug: "general",
      code: "OK",
    });
    expect(await onItsWay).toMatchObject({ offset: 1 });
    await left;
    await room.leave();
  });

  test("whose connection ends meanwhile leaves nothing open", async () => {
    const rig = new ClientRig();
    await rig.connected();
    const { room } = await rig.member("general");
    const sent = codeOf(room.send("1"));
    await settled();
    const left = room.leave();
    rig.socket.end();
    await left;
    expect(await sent).toBe("UNKNOWN_OUTCOME");
    await rig.advance(250);
    const socket = await rig.connected();
    expect(socket.sent).toEqual([]);
  });

  test("and joined again at once is another one, which the answer to the leave does not end", async () => {
    const rig = new ClientRig();
    const socket = await rig.connected();
    const { room } = await rig.member("general");
    void room.leave();
    const again = rig.client.join("general");
    await settled();
    socket.receive({
      type: "unsubscribed",
      id: socket.ofType("unsubscribe")[0]?.["id"],
      roomSlug: "general",
      code: "OK",
    });
    rig.answerJoin("room:general", { offset: 5, epoch: "e1" });
    expect((await again.joined).offset).toBe(5);
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

describe("history and presence", () => {
  test("are asked for once more on the next connection", async () => {
    const rig = new ClientRig();
    await rig.connected();
    const { room } = await rig.member("general");
    const history = room.history({ limit: 2, since: { offset: 1, epoch: "e1" } });
    const presence = room.presence({ after: "200" });
    await settled();
    rig.socket.end();
    await rig.advance(250);
    const socket = await rig.connected();
    rig.answerJoin("room:general", { offset: 0, epoch: "e1" });
    const [asked] = socket.ofType("history");
    expect(asked).toMatchObject({ topic: "room:general", limit: 2, since: { offset: 1, epoch: "e1" } });
    socket.receive({ type: "history", id: asked?.["id"], ...PLACE, messages: [chat(1, "1")], recovered: true });
    expect(await history).toMatchObject({ offset: 1, messages: [{ text: "1", isRecovered: true }], recovered: true });
    const users = [{ userId: 1, username: "ada" }];
    socket.receive({
      type: "presence_state",
      id: socket.ofType("presence")[0]?.["id"],
      users,
      userCount: 1,
      next: "400",
    });
    expect(await presence).toEqual({ users, userCount: 1, next: "400" });
  });

  test("that fail are not tried again", async () => {
    const rig = new ClientRig();
    const socket = await rig.connected();
    const { room } = await rig.member("general");
    const history = codeOf(room.history());
    await settled();
    socket.receive({ type: "error", code: "INTERNAL", id: socket.ofType("history")[0]?.["id"], retryAfterMs: 1_000 });
    expect(await history).toBe("INTERNAL");
  });
});

describe("an answer that nobody waits for any more", () => {
  test("is no message of the room, whose own message comes as always", async () => {
    const rig = new ClientRig();
    const socket = await rig.connected();
    const { room, got } = await rig.member("general");
    const abort = new AbortController();
    const sent = codeOf(room.send("hello", { signal: abort.signal }));
    await settled();
    abort.abort();
    expect(await sent).toBe("AbortError");
    const [{ id } = {}] = socket.ofType("chat_message");
    socket.receive({ type: "message_sent", id, messageId: "m1", ...PLACE });
    socket.receive({ type: "subscribed", ...PLACE });
    socket.receive(chat(1, "hello"));
    expect(got.map(({ text }) => text)).toEqual(["hello"]);
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
