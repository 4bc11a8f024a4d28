import { afterEach, describe, expect, test } from "bun:test";
import { ClientRig, codeOf, PLACE, settled } from "../support/client-rig.ts";

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
