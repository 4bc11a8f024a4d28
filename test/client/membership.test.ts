import { afterEach, describe, expect, spyOn, test } from "bun:test";
import { chat, ClientRig, codeOf, PLACE, settled } from "../support/client-rig.ts";

/** Rooms and topics as an application has them, over WebSockets and in a time that the test owns. */

afterEach(() => ClientRig.closeAll());

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
    const uncaught = spyOn(Promise, "reject").mockImplementation(() => new Promise(() => undefined));
    const off = room.on("message", () => {
      throw new Error("of the application");
    });
    socket.receive(chat(1, "1"));
    expect(uncaught.mock.calls).toEqual([[new Error("of the application")]]);
    uncaught.mockRestore();
    off();
    socket.receive(chat(2, "2"));
    expect(got).toHaveLength(2);
  });
});
