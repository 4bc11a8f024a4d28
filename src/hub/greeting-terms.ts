import type { Codec, EncodedFields } from "../protocol/codec.ts";
import type { Terms } from "../protocol/server-frames.ts";
import type { HubOptions } from "./ports.ts";

/** What every greeting says about this node. Every handshake pays for its greeting, so it is encoded once per framing. */
export class GreetingTerms {
  readonly #terms: Terms;
  readonly #encoded = new Map<Codec, EncodedFields>();

  constructor(options: HubOptions) {
    this.#terms = {
      heartbeat: { intervalMs: options.pingIntervalMs, timeoutMs: options.pongTimeoutMs },
      limits: {
        maxMessageBytes: options.maxMessageBytes,
        maxTopics: options.maxTopicsPerConnection,
        messagesPerSecond: options.messagesPerSecond,
      },
      nodeId: options.nodeId,
    };
  }

  in(codec: Codec): EncodedFields {
    const known = this.#encoded.get(codec);
    if (known !== undefined) return known;
    const encoded = codec.encodeFields(this.#terms);
    this.#encoded.set(codec, encoded);
    return encoded;
  }
}
