import { afterEach, describe, expect, test } from "bun:test";
import { ClientRig, codeOf, settled } from "../support/client-rig.ts";

afterEach(() => ClientRig.closeAll());

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

  test("is not asked for again once it is left, or has another connection", async () => {
    const rig = new ClientRig();
    const waiting: ((error: Error) => void)[] = [];
    const token = (): Promise<string> => new Promise((_resolve, reject) => waiting.push(reject));
    const recover = { offset: 3, epoch: "e1" };
    const topic = rig.client.topic("conversation:7", { token, recover });
    (await rig.connected()).end();
    await rig.advance(250);
    await rig.connected();
    expect(waiting).toHaveLength(2);
    waiting[0]?.(new Error("of the connection before"));
    void topic.leave();
    waiting[1]?.(new Error("of the topic that was left"));
    await rig.advance(20_000);
    expect(waiting).toHaveLength(2);
    expect(rig.errors).toEqual([]);
  });
});
