import { afterEach, describe, expect, test } from "bun:test";
import { chat, ClientRig, codeOf, settled } from "../support/client-rig.ts";

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

  test("ends at its return, also while it waits, and before it began", async () => {
    const rig = new ClientRig();
    const socket = await rig.connected();
    const { room } = await rig.member("general");
    const waiting = room.messages();
    const waits = [waiting.next(), waiting.next()];
    await settled();
    expect(await waiting.return?.()).toEqual({ done: true, value: undefined });
    expect((await Promise.all(waits)).map(({ done }) => done)).toEqual([true, true]);
    const unasked = room.messages();
    await unasked.return?.();
    socket.receive(chat(1, "1"));
    for (const messages of [waiting, unasked]) expect((await messages.next()).done).toBe(true);
  });

  test("that is broken off gives nothing of what waits", async () => {
    const rig = new ClientRig();
    const socket = await rig.connected();
    const { room } = await rig.member("general");
    const messages = room.messages();
    for (let offset = 1; offset <= 3; offset += 1) socket.receive(chat(offset, `${offset}`));
    for await (const { text } of messages) {
      expect(text).toBe("1");
      break;
    }
    expect((await messages.next()).done).toBe(true);
  });

  test("whose signal is aborted gives nothing of what waits, and is none where it was aborted before", async () => {
    const rig = new ClientRig();
    const socket = await rig.connected();
    const { room } = await rig.member("general");
    const abort = new AbortController();
    const messages = room.messages({ signal: abort.signal });
    const waiting = room.messages({ signal: abort.signal });
    const next = waiting.next().then(() => waiting.next());
    socket.receive(chat(1, "1"));
    await settled();
    abort.abort();
    expect((await messages.next()).done).toBe(true);
    expect((await next).done).toBe(true);
    expect(await Array.fromAsync(room.messages({ signal: abort.signal }))).toEqual([]);
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
