import { describe, expect } from "bun:test";
import { expectServed } from "../support/bystander.ts";
import { OPCODE } from "../support/frames.ts";
import type { RawPeer } from "../support/peer.ts";
import { allEvents, ask, eventsOf, eventually } from "./engine-client.ts";
import { type EngineSuite } from "./engine-suite.ts";

/** How connections end: closes, throws; and the pings that find out. */

export function endingPromises({ promise, serve, connect, open }: EngineSuite): void {
  describe("a close", () => {
    promise("by the application carries its code and reason", async () => {
      const peer = await open(await serve(), "a");
      peer.send({ do: "close", code: 4003, reason: "no access" });
      expect(await peer.closed()).toEqual({ code: 4003, reason: "no access" });
      await peer.ended();
    });

    promise("may carry a code that the application has made up", async () => {
      const peer = await open(await serve(), "a");
      peer.send({ do: "close", code: 4321, reason: "maintenance" });
      expect(await peer.closed()).toEqual({ code: 4321, reason: "maintenance" });
    });

    for (const { character, fits } of [
      { character: "é", fits: 61 },
      { character: "😀", fits: 30 },
      { character: "x", fits: 123 },
    ]) {
      promise(`cuts a long reason of "${character}" between characters`, async () => {
        const peer = await open(await serve(), "a");
        peer.send({ do: "close", code: 4003, reason: character.repeat(200) });
        expect(await peer.closed()).toEqual({ code: 4003, reason: character.repeat(fits) });
      });
    }

    promise("runs the application's close before it returns", async () => {
      const port = await serve();
      const [control, a] = [await open(port, "control"), await open(port, "a")];
      control.send({ do: "close", name: "a", code: 4001, reason: "why" });
      await a.closed();
      const events = await allEvents(control);
      expect(events.slice(events.indexOf("before close"))).toEqual([
        "before close",
        "close a 4001 why dropped",
        "after close",
      ]);
    });

    promise("is final: later calls do nothing, later sends are dropped", async () => {
      const port = await serve();
      const [control, a, b] = [await open(port, "control"), await open(port, "a"), await open(port, "b")];
      await ask(b, { do: "join", topic: "t" });
      a.send({ do: "closeAndGoOn", topic: "t" });
      expect(await a.closed()).toEqual({ code: 4003, reason: "first" });
      expect(await eventsOf(control, "a")).toEqual(["open a", "close a 4003 first dropped"]);
      expect(await allEvents(control)).toContain("then dropped dropped 0");
      await expectServed(b);
      expect(b.pendingMessages).toBe(0);
    });

    const endings: readonly { what: string; end: (peer: RawPeer) => void; seen: string }[] = [
      { what: "by the peer", end: (peer) => peer.close(4999, "why"), seen: "close a 4999 why dropped" },
      { what: "by the peer without a code", end: (peer) => peer.close(null), seen: "close a 1005  dropped" },
      { what: "by FIN", end: (peer) => peer.endWriting(), seen: "close a 1006  dropped" },
      { what: "by disappearance", end: (peer) => peer.destroy(), seen: "close a 1006  dropped" },
      { what: "by termination", end: (peer) => peer.send({ do: "terminate" }), seen: "close a 1006  dropped" },
      {
        what: "by the application",
        end: (peer) => peer.send({ do: "close", code: 4001, reason: "x" }),
        seen: "close a 4001 x dropped",
      },
    ];
    for (const { what, end, seen } of endings) {
      promise(`${what} is told exactly once`, async () => {
        const port = await serve();
        const [control, a] = [await open(port, "control"), await open(port, "a")];
        end(a);
        await eventually(control, seen);
        await a.ended();
        for (let i = 0; i < 3; i++) await expectServed(control);
        expect(await eventsOf(control, "a")).toEqual(["open a", seen]);
      });
    }

    promise("for a protocol error is told exactly once, as 1006", async () => {
      const port = await serve();
      const [control, a] = [await open(port, "control"), await open(port, "a")];
      a.frame({ opcode: OPCODE.text, rsv: 4, payload: "x" });
      await a.ended();
      const closes = (await eventsOf(control, "a")).filter((event) => event.startsWith("close"));
      expect(closes).toHaveLength(1);
      expect(closes[0]).toStartWith("close a 1006 ");
    });

    promise("by termination sends no close frame", async () => {
      const peer = await open(await serve(), "a");
      peer.send({ do: "terminate" });
      expect((await peer.closed()).code).toBe(1006);
    });
  });

  describe("pings", () => {
    promise("of the application reach the peer, and its pong the application", async () => {
      const port = await serve();
      const [control, a] = [await open(port, "control"), await open(port, "a")];
      control.send({ do: "ping", name: "a" });
      await eventually(control, "pong a");
      expect(a.receivedPings).toBe(1);
    });

    promise("of the peer are answered with their payload and told to the application", async () => {
      const port = await serve();
      const [control, a] = [await open(port, "control"), await open(port, "a")];
      const payload = Buffer.from(Uint8Array.from({ length: 125 }, (_, i) => 255 - i));
      a.ping(payload);
      expect(await a.nextFrame()).toEqual({ fin: true, opcode: OPCODE.pong, payload });
      expect(await eventsOf(control, "a")).toEqual(["open a", "pong a"]);
    });
  });

  describe("a throw", () => {
    const throws: readonly { where: string; provoke: (peer: RawPeer) => void | Promise<void> }[] = [
      { where: "message", provoke: (peer) => peer.send({ do: "throw" }) },
      { where: "pong", provoke: (peer) => peer.pong() },
      { where: "open", provoke: () => {} },
    ];
    for (const { where, provoke } of throws) {
      promise(`in ${where} ends that connection alone, with 1011`, async () => {
        const port = await serve();
        const bystander = await open(port, "bystander");
        const peer = await open(port, "a", `&throw=${where}`);
        await provoke(peer);
        expect((await peer.closed()).code).toBe(1011);
        await peer.ended();
        await expectServed(bystander);
        expect(await allEvents(bystander)).toContain(`failed in ${where}`);
        expect((await eventsOf(bystander, "a")).filter((event) => event.startsWith("close"))).toEqual([
          "close a 1011 INTERNAL dropped",
        ]);
      });
    }

    promise("in drain ends that connection alone", async () => {
      const port = await serve({ maxUnsentBytes: 67_108_864 });
      const control = await open(port, "control");
      const slow = await open(port, "slow", "&throw=drain");
      slow.pause();
      await ask(control, { do: "sendMany", name: "slow", count: 200, size: 65_000 });
      slow.resume();
      await slow.ended();
      await expectServed(control);
      expect(await allEvents(control)).toContain("failed in drain");
      expect(await eventsOf(control, "slow")).toEqual(["open slow", "drain slow", "close slow 1011 INTERNAL dropped"]);
    });

    promise("in close is told, and nobody else notices", async () => {
      const port = await serve();
      const bystander = await open(port, "bystander");
      const peer = await open(port, "a", "&throw=close");
      peer.close();
      await peer.ended();
      await expectServed(bystander);
      expect(await eventsOf(bystander, "a")).toEqual(["open a", "close a 1000  dropped"]);
      expect(await allEvents(bystander)).toContain("failed in close");
    });

    for (const path of ["/throw", "/reject"]) {
      promise(`in upgrade is told and answers 500 without its text (${path})`, async () => {
        const port = await serve();
        const bystander = await open(port, "bystander");
        const response = await (await connect(port)).upgrade({ path });
        expect(response.status).toBe(500);
        expect(response.body).not.toContain("in upgrade");
        expect(await allEvents(bystander)).toContain("failed in upgrade");
      });
    }

    promise("in fetch is told and answers 500 without its text", async () => {
      const port = await serve();
      const bystander = await open(port, "bystander");
      const peer = await connect(port);
      const response = await peer.request("GET /throw HTTP/1.1\r\nHost: localhost\r\n\r\n");
      expect(response.status).toBe(500);
      expect(response.body).not.toContain("in fetch");
      await peer.ended();
      expect(await allEvents(bystander)).toContain("failed in fetch");
    });
  });
}
