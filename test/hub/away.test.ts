import { describe, expect, test } from "bun:test";
import type { MemoryBrokerOptions } from "../../src/broker/memory.ts";
import { HubRig } from "../support/hub.ts";

/** A client that was away for longer than the history of its room reaches. */

const chat = (message: string) => ({ type: "chat_message", roomSlug: "r", message });

const TRIMMED: readonly (readonly [string, Partial<MemoryBrokerOptions>, (rig: HubRig) => void])[] = [
  ["messages", { historySize: 5 }, () => undefined],
  ["bytes", { historyBytes: 3_000 }, () => undefined],
  ["time", { historyTtlMs: 60_000 }, (rig) => rig.tick(61)],
];

describe("a history that has become too short by", () => {
  test.each(TRIMMED)(
    "%s is told as it is: no messages, and the newest position to go on from",
    (_what, bounds, later) => {
      const rig = new HubRig({ messagesPerSecond: 100, messageBurst: 100, pongTimeoutMs: 1e9 }, undefined, bounds);
      const ada = rig.member("ada", "r");
      const bob = rig.connect("bob");
      const { offset, epoch } = rig.answer(bob, { type: "join_room", roomSlug: "r" });
      bob.socket.end(1006);
      for (let sent = 0; sent < 10; sent += 1) rig.receive(ada.connection, chat("x".repeat(500)));
      later(rig);
      const back = rig.connect("bob");
      const joined = rig.answer(back, { type: "join_room", roomSlug: "r", recover: { offset, epoch } });
      expect(joined).toMatchObject({ type: "room_joined", wasRecovering: true, recovered: false, offset: 10, epoch });
      expect(joined).not.toHaveProperty("messages");
      rig.receive(ada.connection, chat("live"));
      expect(back.socket.take()).toMatchObject([{ type: "new_message", offset: 11 }]);
    },
  );
});
