import { bench, do_not_optimize, group } from "mitata";
import { MemoryBroker } from "../../src/broker/memory.ts";
import { systemClock } from "../../src/observe/clock.ts";

const options = { historySize: 100, historyBytes: 256 * 1024, historyTtlMs: 300_000, maxHistoryBytes: 256 << 20 };
const body = { kind: "chat", json: "x".repeat(300) } as const;
const publication = { topic: "room:general-chat", body, identity: null };
let serial = 0;
const withId = () => ({
  ...publication,
  identity: { userId: "u1", messageId: `m${++serial}`, payload: "x".repeat(60) },
});

const broker = new MemoryBroker(options, systemClock, (_topic, message) => do_not_optimize(message));

group("memory broker", () => {
  bench("publish 300 bytes, kept", () => do_not_optimize(broker.publish(publication, true)));
  bench("publish 300 bytes, kept, with an id of its own", () => do_not_optimize(broker.publish(withId(), true)));
  bench("publish 300 bytes, not kept", () => do_not_optimize(broker.publish(publication, false)));
  bench("history of 100", () => do_not_optimize(broker.history(publication.topic, null, 100)));
});
