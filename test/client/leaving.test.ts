import { afterEach, describe, expect, test } from "bun:test";
import { chat, ClientRig, codeOf, PLACE, settled } from "../support/client-rig.ts";

afterEach(() => ClientRig.closeAll());

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

  test("has no more messages, and the one that is joined after it none of those before the answer to the leave", async () => {
    const rig = new ClientRig();
    const socket = await rig.connected();
    await rig.member("general", 2);
    const got: number[] = [];
    const recover = { offset: 2, epoch: "e1" };
    const leave = (): void => {
      const room = rig.client.join("general", { recover });
      room.on("message", ({ offset }) => got.push(offset));
      void room.leave();
    };
    const answerLeave = (at: number): void => {
      const { id } = socket.ofType("unsubscribe")[at] ?? {};
      socket.receive({ type: "unsubscribed", id, roomSlug: "general", code: "OK" });
    };
    leave();
    leave();
    const room = rig.client.join("general", { recover });
    room.on("message", ({ offset }) => got.push(offset));
    room.on("left", () => got.push(-1));
    await settled();
    socket.receive(chat(3, "of the first"));
    answerLeave(0);
    socket.receive(chat(4, "of the second"));
    socket.receive({ type: "unsubscribed", roomSlug: "general", code: "REVOKED" });
    answerLeave(1);
    socket.receive(chat(7, "of this one"));
    const messages = [chat(3, "3"), chat(4, "4"), chat(5, "5"), chat(6, "6")];
    rig.answerJoin("room:general", { offset: 6, epoch: "e1", wasRecovering: true, recovered: true, messages });
    expect(got).toEqual([3, 4, 5, 6, 7]);
    expect(socket.ofType("subscribe")).toHaveLength(2);
  });

  test("in whose place another one is joined leaves nothing behind when the connection ends", async () => {
    const rig = new ClientRig();
    await rig.connected();
    const { room } = await rig.member("general", 2);
    void room.leave();
    const again = rig.client.join("general");
    const got: number[] = [];
    again.on("message", ({ offset }) => got.push(offset));
    rig.socket.end();
    await rig.advance(250);
    const socket = await rig.connected();
    rig.answerJoin("room:general", { offset: 3, epoch: "e1" });
    socket.receive(chat(4, "4"));
    expect(got).toEqual([4]);
  });

  test("while it is joined is not joined by an answer that comes late, and not asked for again", async () => {
    const rig = new ClientRig();
    const socket = await rig.connected();
    const [one, two] = ["one", "two"].map((slug) => rig.client.join(slug));
    const told: string[] = [];
    for (const room of [one, two]) {
      room?.on("joined", () => told.push("joined"));
      room?.on("left", ({ code }) => told.push(code));
    }
    await settled();
    void one?.leave();
    void two?.leave();
    expect(await codeOf(one?.joined ?? Promise.resolve())).toBe("LEFT");
    rig.answerJoin("room:one", { offset: 5, epoch: "e1" });
    socket.receive({
      type: "error",
      id: socket.ofType("subscribe")[1]?.["id"],
      code: "RATE_LIMITED",
      retryAfterMs: 100,
    });
    await rig.advance(1_000);
    expect(told).toEqual(["OK", "OK"]);
    expect(socket.ofType("subscribe")).toHaveLength(2);
    expect(rig.errors).toEqual([]);
  });
});
