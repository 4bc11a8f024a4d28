import { Script } from "./script.ts";
import type { StreamBounds } from "./streams.ts";

/** How often the script puts off the end of a topic, at most: so much longer than it must it lives. */
const RENEWED_EVERY_MS = 1_000;
/** How long a topic's offset outlives its last message and its last follower. Afterwards the topic starts again at 1, in another epoch. */
const TOPIC_TTL_MS = 3_600_000;
const MESSAGE_ID_TTL_MS = 300_000;

export const TOPIC_LIFE_MS = TOPIC_TTL_MS + RENEWED_EVERY_MS;

export type PublishScript = Script<never, "run" | "newLineage">;

/** The script that takes messages, for these bounds. */
export function publishScriptOf({ historySize, historyBytes, historyTtlMs }: StreamBounds): PublishScript {
  return new Script("publish", [], ["run", "newLineage"], {
    ...{ size: historySize, bytes: historyBytes, historyMs: historyTtlMs + RENEWED_EVERY_MS },
    ...{ topicMs: TOPIC_LIFE_MS, usedMs: MESSAGE_ID_TTL_MS },
  });
}
