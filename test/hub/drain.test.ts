import { describe, expect, test } from "bun:test";
import { Drain } from "../../src/hub/drain.ts";
import { HubRig } from "../support/hub.ts";

/** Lets what waits for a timer of the fake clock run. */
async function advance(rig: HubRig, ms: number): Promise<void> {
  rig.clock.advance(ms);
  for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
}

describe("a drain", () => {
  test("closes an even share of the connections after each pause, all within its time", async () => {
    const rig = new HubRig();
    const sockets = Array.from({ length: 100 }, (_, index) => rig.connect(`u${index}`).socket);
    const drain = new Drain({ drainDelayMs: 0, drainMs: 1_000 }, rig.hub, rig.clock, () => undefined);
    const open = () => sockets.filter((socket) => socket.closed === null).length;
    const done = drain.start();
    expect([drain.isReady, drain.isRefusing, rig.hub.isDraining]).toEqual([false, false, false]);
    const left: number[] = [];
    for (let pause = 0; pause < 10; pause += 1) {
      await advance(rig, pause === 0 ? 0 : 100);
      left.push(open());
    }
    await done;
    expect(left).toEqual([90, 80, 70, 60, 50, 40, 30, 20, 10, 0]);
    for (const { closed, frames } of sockets) {
      expect(closed?.code).toBe(1012);
      expect(JSON.parse(closed?.reason ?? "")["retryAfterMs"]).toBeWithin(0, 51);
      expect(frames).toMatchObject([{ type: "server_draining" }]);
    }
    expect(rig.clock.pendingTimers).toBe(0);
  });

  test("accepts until its delay is over", async () => {
    const rig = new HubRig();
    const { socket } = rig.connect("ada");
    const drain = new Drain({ drainDelayMs: 5_000, drainMs: 1_000 }, rig.hub, rig.clock, () => undefined);
    const done = drain.start();
    await advance(rig, 4_999);
    expect([drain.isReady, drain.isRefusing, socket.closed]).toEqual([false, false, null]);
    await advance(rig, 1);
    expect(drain.isRefusing).toBe(true);
    await done;
    expect(socket.closed?.code).toBe(1012);
  });

  test("closes a connection too that came to be while it ran", async () => {
    const rig = new HubRig();
    for (let index = 0; index < 20; index += 1) rig.connect(`u${index}`);
    const done = new Drain({ drainDelayMs: 0, drainMs: 200 }, rig.hub, rig.clock, () => undefined).start();
    await advance(rig, 0);
    const late = rig.connect("late");
    await advance(rig, 100);
    await advance(rig, 100);
    await done;
    expect(late.socket.closed?.code).toBe(1012);
    expect(rig.hub.connections.size).toBe(0);
  });

  test("is silent about those whom it closes, not about those who leave while it runs", async () => {
    const rig = new HubRig();
    const [first] = ["ada", "bob", "carol"].map((user) => rig.member(user, "r"));
    const late = ["dave", "erin"].map((user) => rig.member(user, "r"));
    const done = new Drain({ drainDelayMs: 0, drainMs: 60_000 }, rig.hub, rig.clock, () => undefined).start();
    const open = [first, ...late].filter((member) => member?.socket.closed === null);
    const [leaver, witness] = open;
    witness?.socket.take();
    leaver?.socket.end(1000);
    expect(witness?.socket.take().map(({ type }) => type)).toEqual(["user_left"]);
    for (let batch = 0; batch < 10; batch += 1) await advance(rig, 100);
    await done;
    expect(witness?.socket.take().filter(({ type }) => type === "user_left")).toEqual([]);
  });
});
