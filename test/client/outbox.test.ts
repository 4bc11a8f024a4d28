import { afterEach, describe, expect, test } from "bun:test";
import { chat, ClientRig, codeOf, PLACE, settled } from "../support/client-rig.ts";

/** What waits for its answer, over WebSockets and in a time that the test owns. */

afterEach(() => ClientRig.closeAll());

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
