import { describe, expect } from "bun:test";
import { expectServed } from "../support/bystander.ts";
import { encodeFrame, OPCODE } from "../support/frames.ts";
import type { RawPeer } from "../support/peer.ts";
import { ask, eventsOf, eventually, numberOf } from "./engine-client.ts";
import { type EngineSuite } from "./engine-suite.ts";

/** Messages, topics, and peers that do not read. */

export function deliveryPromises({ promise, serve, open }: EngineSuite): void {
  describe("messages", () => {
    promise("of one socket arrive in order, texts as text and bytes as bytes", async () => {
      const peer = await open(await serve(), "a");
      const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
      for (let i = 0; i < 500; i++) peer.text(`text ${i} é😀`);
      peer.binary(bytes);
      for (let i = 0; i < 500; i++) expect(await peer.next()).toBe(`text ${i} é😀`);
      expect(await peer.next()).toEqual(Buffer.from(bytes));
    });

    promise("up to the limit pass, whole and in fragments", async () => {
      const peer = await open(await serve({ maxMessageBytes: 1_000 }), "a");
      const text = "m".repeat(1_000);
      peer.text(text);
      expect(await peer.next()).toBe(text);
      peer.frame({ opcode: OPCODE.text, fin: false, payload: text.slice(0, 400) });
      peer.ping();
      peer.frame({ opcode: OPCODE.continuation, payload: text.slice(400) });
      expect(await peer.next()).toBe(text);
    });

    promise("over the limit end the connection, whole, in fragments, and from the header alone", async () => {
      const port = await serve({ maxMessageBytes: 1_000 });
      const bystander = await open(port, "bystander");
      const half = "m".repeat(501);
      const attacks: ((peer: RawPeer) => void)[] = [
        (peer) => peer.text(half + half),
        (peer) => {
          peer.frame({ opcode: OPCODE.text, fin: false, payload: half });
          peer.frame({ opcode: OPCODE.continuation, payload: half });
        },
        (peer) => peer.frame({ opcode: OPCODE.binary, declaredLength: 1n << 40n }),
      ];
      for (const [i, attack] of attacks.entries()) {
        const peer = await open(port, `attacker${i}`);
        attack(peer);
        expect([1009, 1006]).toContain((await peer.closed()).code);
        await peer.ended();
        expect(peer.pendingMessages).toBe(0);
      }
      await expectServed(bystander);
    });

    promise("that were in the same packet as the one that closed the socket are not handed over", async () => {
      const port = await serve();
      const control = await open(port, "control");
      const peer = await open(port, "a");
      const close = encodeFrame({ opcode: OPCODE.text, payload: JSON.stringify({ do: "close", code: 4003 }) });
      const note = encodeFrame({ opcode: OPCODE.text, payload: JSON.stringify({ do: "note", text: "late" }) });
      peer.writeRaw(Buffer.concat([close, note, encodeFrame({ opcode: OPCODE.ping })]));
      await peer.ended();
      expect(await eventsOf(control, "a")).toEqual(["open a", "close a 4003  dropped"]);
    });

    promise("a published or sent view is copied before the call returns", async () => {
      const port = await serve();
      const a = await open(port, "a");
      for (const size of [100, 50_000]) {
        await ask(a, { do: "join", topic: `bytes${size}` });
        a.send({ do: "publishBytes", topic: `bytes${size}`, size });
        expect(await a.next()).toEqual(Buffer.alloc(size, 7));
        expect(await a.next()).toEqual(Buffer.alloc(size, 7));
        await a.json();
      }
    });
  });

  describe("topics", () => {
    promise("reach every member but the publishing socket", async () => {
      const port = await serve();
      const [a, b, outsider] = [await open(port, "a"), await open(port, "b"), await open(port, "outsider")];
      await ask(a, { do: "join", topic: "t" });
      await ask(a, { do: "join", topic: "t" });
      await ask(b, { do: "join", topic: "t" });
      await ask(a, { do: "publish", topic: "t", text: "from a" });
      expect(await b.next()).toBe("from a");
      await ask(outsider, { do: "publish", topic: "t", text: "from outside" });
      expect([await a.next(), await b.next()]).toEqual(["from outside", "from outside"]);
      await ask(outsider, { do: "publishToAll", topic: "t", text: "to all" });
      expect([await a.next(), await b.next()]).toEqual(["0:to all", "0:to all"]);
      for (const peer of [a, b]) {
        await expectServed(peer);
        expect(peer.pendingMessages).toBe(0);
      }
    });

    promise("stop reaching a socket that left, and start again when it is back", async () => {
      const port = await serve();
      const [a, b] = [await open(port, "a"), await open(port, "b")];
      await ask(a, { do: "join", topic: "t" });
      await ask(a, { do: "leave", topic: "t" });
      await ask(a, { do: "leave", topic: "never joined" });
      await ask(b, { do: "publishToAll", topic: "t", text: "missed" });
      await ask(a, { do: "join", topic: "t" });
      await ask(b, { do: "publishToAll", topic: "t", text: "seen" });
      expect(await a.next()).toBe("0:seen");
    });

    promise(
      "lose nothing that was published before a member left, whatever was its last topic, and give it nothing behind",
      async () => {
        const port = await serve({ maxUnsentBytes: 16_777_216 });
        const [leaver, other] = [await open(port, "leaver"), await open(port, "other")];
        await ask(other, { do: "join", topic: "t" });
        for (const size of [10, 20_000]) {
          for (const count of [1, 40, 100]) {
            await ask(leaver, { do: "join", topic: "t" });
            leaver.send({ do: "leaveBehind", topic: "t", count, size });
            for (let i = 0; i < count; i++) {
              expect(numberOf(await other.next())).toBe(i);
              expect(numberOf(await leaver.next())).toBe(i);
            }
            expect(await other.next()).toBe("behind");
            expect(JSON.parse(String(await leaver.next()))).toEqual({ type: "leaveBehind" });
          }
        }
        for (const peer of [leaver, other]) {
          await expectServed(peer);
          expect(peer.pendingMessages).toBe(0);
        }
      },
    );

    promise(
      "that a member leaves and joins again at once leave out what was published between, for it alone",
      async () => {
        const port = await serve();
        const [leaver, other] = [await open(port, "leaver"), await open(port, "other")];
        for (const peer of [leaver, other]) await ask(peer, { do: "join", topic: "t" });
        await ask(leaver, { do: "leaveBehind", topic: "t", count: 0, text: "back" });
        expect(await other.next()).toBe("behind");
        other.send({ do: "publishToAll", topic: "t", text: "later" });
        expect(await leaver.next()).toBe("0:later");
        await expectServed(leaver);
      },
    );

    promise("are told apart by case and by every character", async () => {
      const port = await serve();
      const a = await open(port, "a");
      await ask(a, { do: "join", topic: "room:*" });
      for (const topic of ["room:x", "ROOM:*", "room:", "room:**"])
        await ask(a, { do: "publishToAll", topic, text: topic });
      a.send({ do: "publishToAll", topic: "room:*", text: "mine" });
      const got = [await a.next(), await a.next()];
      expect(got).toContain("0:mine");
      expect(got).toContain(JSON.stringify({ type: "publishToAll" }));
    });

    promise("keep their order with sends of the same tick, whatever the sizes", async () => {
      const port = await serve({ maxUnsentBytes: 16_777_216 });
      const a = await open(port, "a");
      await ask(a, { do: "join", topic: "t" });
      a.send({ do: "mixed", topic: "t", count: 200 });
      for (let i = 0; i < 200; i++) expect(numberOf(await a.next())).toBe(i);
    });
  });

  describe("a slow peer", () => {
    promise("is ended when it stalls, after an unbroken prefix, while the others get everything in order", async () => {
      const port = await serve();
      const [control, stalled, fast] = [
        await open(port, "control"),
        await open(port, "stalled"),
        await open(port, "fast"),
      ];
      for (const peer of [stalled, fast]) await ask(peer, { do: "join", topic: "t" });
      stalled.pause();
      let rounds = 0;
      for (let gone = false; !gone && rounds < 100; rounds++) {
        await ask(control, { do: "publishToAll", topic: "t", count: 8, size: 65_000 });
        for (let i = 0; i < 8; i++) expect(numberOf(await fast.next())).toBe(i);
        gone = (await eventsOf(control, "stalled")).length > 1;
      }
      expect((await eventsOf(control, "stalled")).filter((event) => !event.startsWith("drain"))).toEqual([
        "open stalled",
        "close stalled 1006  dropped",
      ]);
      stalled.resume();
      await stalled.ended();
      expect((await stalled.closed()).code).toBe(1006);
      expect(stalled.pendingMessages).toBeLessThan(rounds * 8);
      for (let i = 0; stalled.pendingMessages > 0; i++) expect(numberOf(await stalled.next())).toBe(i % 8);
      await expectServed(fast);
    });

    promise("that is sent more than the limit learns of it as dropped, and is ended", async () => {
      const port = await serve();
      const [control, stalled] = [await open(port, "control"), await open(port, "stalled")];
      stalled.pause();
      const results = new Set<unknown>();
      for (let i = 0; i < 100 && !results.has("dropped"); i++) {
        const { results: some } = await ask(control, { do: "sendMany", name: "stalled", count: 8, size: 65_000 });
        if (Array.isArray(some)) for (const result of some) results.add(result);
      }
      expect(results).toContain("dropped");
      await eventually(control, "close stalled 1006  dropped");
    });

    promise("that reads again gets what was buffered, and the application its drain", async () => {
      const port = await serve({ maxUnsentBytes: 67_108_864 });
      const [control, slow] = [await open(port, "control"), await open(port, "slow")];
      slow.pause();
      const { results } = await ask(control, { do: "sendMany", name: "slow", count: 200, size: 65_000 });
      expect(results).toContain("buffered");
      expect(results).not.toContain("dropped");
      const { bufferedBytes } = await ask(control, { do: "state", name: "slow" });
      expect(bufferedBytes).toBeGreaterThan(0);
      slow.resume();
      for (let i = 0; i < 200; i++) expect(numberOf(await slow.next())).toBe(i);
      await eventually(control, "drain slow");
      expect(await ask(control, { do: "state", name: "slow" })).toMatchObject({ bufferedBytes: 0 });
    });

    promise("can be read from later", async () => {
      const port = await serve();
      const [control, a] = [await open(port, "control"), await open(port, "a")];
      const { canPause } = await ask(control, { do: "pause", name: "a" });
      if (canPause !== true) return;
      a.send({ do: "note", text: "held back" });
      for (let i = 0; i < 5; i++) await expectServed(control);
      expect(await eventsOf(control, "a")).toEqual(["open a"]);
      await ask(control, { do: "resume", name: "a" });
      await eventually(control, "note a held back");
    });
  });
}
