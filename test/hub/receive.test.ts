import { describe, expect, test } from "bun:test";
import type { Broker } from "../../src/broker/broker.ts";
import { PAUSE_BYTES, WAITING } from "../../src/hub/connection.ts";
import { ProtocolError } from "../../src/protocol/codes.ts";
import { until } from "../observe/recorded-sink.ts";
import { HubRig, passing } from "../support/hub.ts";

/** The real broker, but for how it takes a message. */
function publishing(
  publish: (broker: Broker, ...args: Parameters<Broker["publish"]>) => ReturnType<Broker["publish"]>,
) {
  return (broker: Broker): Broker => ({ ...passing(broker), publish: (...args) => publish(broker, ...args) });
}

const chat = (message: string) => ({ type: "chat_message", roomSlug: "r", message, messageId: message });

describe("a handler that fails", () => {
  test("is told as INTERNAL with the id under which it is logged, and nothing else", () => {
    const fault = new Error("SELECT secret FROM /srv/node.ts");
    const rig = new HubRig(
      {},
      publishing(() => {
        throw fault;
      }),
    );
    const ada = rig.member("ada", "r");
    rig.receive(ada.connection, chat("m1"));
    const [error] = ada.socket.take();
    const correlationId = rig.failures[0]?.correlationId ?? "";
    expect(error).toEqual({
      type: "error",
      code: "INTERNAL",
      message: "Internal error",
      retryAfterMs: expect.any(Number),
      correlationId,
      messageId: "m1",
      roomSlug: "r",
      timestamp: expect.any(Number),
    });
    expect(correlationId).toMatch(/^[0-9a-f-]{36}$/);
    expect(rig.failures).toEqual([{ error: fault, correlationId }]);
  });

  test("leaves its connection and all others open and served", () => {
    const rig = new HubRig(
      {},
      publishing((broker, publication, keepsHistory) => {
        if (publication.body.json.includes("bad")) throw "not even an error";
        return broker.publish(publication, keepsHistory);
      }),
    );
    const ada = rig.member("ada", "r");
    const bob = rig.member("bob", "r");
    ada.socket.take();
    rig.receive(ada.connection, chat("bad"));
    rig.receive(ada.connection, chat("good"));
    expect(ada.socket.take().map((frame) => frame["type"])).toEqual(["error", "new_message", "message_sent"]);
    expect(bob.socket.take()).toMatchObject([{ type: "new_message", offset: 1 }]);
  });

  test("because the broker did not take the message is PUBLISH_FAILED with the message's id", async () => {
    const rig = new HubRig(
      {},
      publishing(() => Promise.reject(new ProtocolError("PUBLISH_FAILED"))),
    );
    const ada = rig.member("ada", "r");
    rig.receive(ada.connection, chat("m1"));
    await until(() => ada.socket.frames.length > 0);
    expect(ada.socket.take()).toMatchObject([
      { type: "error", code: "PUBLISH_FAILED", messageId: "m1", roomSlug: "r" },
    ]);
    expect(rig.failures).toEqual([]);
  });
});

describe("frames behind one that waits", () => {
  /** Takes each message when it is told to. */
  function gated() {
    const gates: (() => void)[] = [];
    const around = publishing(async (broker, publication, keepsHistory) => {
      await new Promise<void>((resolve) => gates.push(resolve));
      return broker.publish(publication, keepsHistory);
    });
    const openNext = async (): Promise<void> => {
      await until(() => gates.length > 0);
      gates.shift()?.();
    };
    return { around, openNext };
  }

  test("are handled in their order, one at a time", async () => {
    const { around, openNext } = gated();
    const rig = new HubRig({}, around);
    const ada = rig.member("ada", "r");
    for (let sent = 0; sent < 10; sent += 1) {
      rig.receive(ada.connection, chat(`m${sent}`));
      rig.receive(ada.connection, { type: "ping", id: sent });
    }
    for (let sent = 0; sent < 10; sent += 1) await openNext();
    await until(() => ada.socket.frames.length >= 30);
    const order = ada.socket.take().map((frame) => frame["messageId"] ?? frame["id"] ?? "copy");
    expect(order).toEqual(Array.from({ length: 10 }, (_, sent) => ["copy", `m${sent}`, sent]).flat());
  });

  test("do not hold up another connection", async () => {
    const { around, openNext } = gated();
    const rig = new HubRig({}, around);
    const ada = rig.member("ada", "r");
    const bob = rig.connect("bob");
    rig.receive(ada.connection, chat("m"));
    rig.receive(bob.connection, { type: "ping" });
    expect(bob.socket.take()).toMatchObject([{ type: "pong" }]);
    await openNext();
  });

  test("stop the reading from their connection when they are many, until they are handled", async () => {
    const { around, openNext } = gated();
    const rig = new HubRig({ messagesPerSecond: 10_000, messageBurst: 10_000 }, around);
    const ada = rig.member("ada", "r");
    rig.receive(ada.connection, chat("m"));
    let pings = 0;
    for (let bytes = 0; bytes <= PAUSE_BYTES; pings += 1) {
      expect(ada.socket.isPaused).toBe(false);
      const ping = JSON.stringify({ type: "ping", id: "x".repeat(60) });
      rig.hub.message(ada.connection, ping);
      bytes += ping.length + 64;
    }
    expect(ada.socket.isPaused).toBe(true);
    // What it still reads shows that it is there, for nobody hears its pongs.
    for (let second = 0; second < 200; second += 1) {
      rig.tick();
      rig.hub.drain(ada.connection);
    }
    await openNext();
    await until(() => ada.socket.frames.filter(({ type }) => type === "pong").length === pings);
    expect([ada.socket.isPaused, ada.socket.closed]).toEqual([false, null]);
  });

  test("pay at the time at which they came: whoever kept to the rate is not refused for the wait", async () => {
    const { around, openNext } = gated();
    const rig = new HubRig({ messagesPerSecond: 10, messageBurst: 20 }, around);
    const ada = rig.member("ada", "r");
    rig.receive(ada.connection, chat("m"));
    for (let sent = 0; sent < 150; sent += 1) {
      rig.receive(ada.connection, { type: "ping", id: sent });
      rig.clock.advance(100);
    }
    await openNext();
    await until(() => ada.socket.frames.some(({ id }) => id === 149));
    expect(ada.socket.take().filter(({ type }) => type === "error")).toEqual([]);
    expect(ada.socket.closed).toBeNull();
  });

  test("that came faster than the rate are refused behind the wait as they would have been without it", async () => {
    const { around, openNext } = gated();
    const rig = new HubRig({ messagesPerSecond: 10, messageBurst: 20 }, around);
    const ada = rig.member("ada", "r");
    rig.receive(ada.connection, chat("m"));
    for (let sent = 0; sent < 50; sent += 1) rig.receive(ada.connection, { type: "ping", id: sent });
    rig.clock.advance(60_000);
    await openNext();
    await until(() => ada.socket.frames.some(({ id }) => id === 49));
    const answers = ada.socket.take();
    expect(answers.filter(({ type }) => type === "pong")).toHaveLength(19);
    expect(answers.filter(({ code }) => code === "RATE_LIMITED")).toHaveLength(31);
  });

  test("over the bound end the connection 4029 with a delay, and are never handled", async () => {
    const { around, openNext } = gated();
    const rig = new HubRig({ messageBurst: 1_000 }, around);
    const ada = rig.member("ada", "r");
    rig.receive(ada.connection, chat("m"));
    for (let sent = 0; sent <= WAITING.frames; sent += 1) rig.receive(ada.connection, { type: "ping" });
    expect(ada.socket.closed?.code).toBe(4029);
    expect(JSON.parse(ada.socket.closed?.reason ?? "")).toEqual({ retryAfterMs: expect.any(Number) });
    await openNext();
    expect(ada.socket.take()).toEqual([]);
    expect(rig.failures).toEqual([]);
  });

  test("are never handled when the connection ends meanwhile", async () => {
    const { around, openNext } = gated();
    const rig = new HubRig({}, around);
    const bob = rig.member("bob", "r");
    const ada = rig.member("ada", "r");
    bob.socket.take();
    rig.receive(ada.connection, chat("first"));
    rig.receive(ada.connection, chat("second"));
    ada.socket.end(1006);
    await openNext();
    await until(() => bob.socket.frames.length > 0);
    expect(bob.socket.take()).toMatchObject([{ type: "new_message", data: { message: "first" } }]);
    expect(rig.hub.broker.position("room:r")).toMatchObject({ offset: 1 });
  });
});
