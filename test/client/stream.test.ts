import { afterEach, describe, expect, test } from "bun:test";
import { chat, ClientRig, codeOf } from "../support/client-rig.ts";

afterEach(() => ClientRig.closeAll());

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
