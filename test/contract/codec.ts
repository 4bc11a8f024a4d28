import { describe, expect, test } from "bun:test";
import type { Codec, EncodedFields, MessageBody } from "../../src/protocol/codec.ts";
import { chatBody } from "../../src/protocol/codec.ts";
import type { ServerFrame } from "../../src/protocol/server-frames.ts";

export interface CodecContract {
  readonly codec: Codec;
  /** A decoder that is not the node's. Throws for anything that the protocol does not have. */
  readonly read: (frame: string | Uint8Array) => unknown;
}

const FRAME: ServerFrame = {
  type: "error",
  code: "RATE_LIMITED",
  message: 'a "quoted" text, é😀\u2028',
  retryAfterMs: 0,
  limit: -1,
  timestamp: 1_729_238_400_000,
  id: Number.MAX_SAFE_INTEGER,
};
const CHAT = chatBody({
  type: "new_message",
  timestamp: 1_729_238_400_000,
  roomSlug: "general-chat",
  data: {
    slug: "m1",
    chatRoomSlug: "general-chat",
    userSlug: "123",
    username: "johndoe",
    messageType: "TEXT",
    message: 'a "quoted" }} text \u2028',
    createdAt: "2024-10-18T08:00:00.000Z",
  },
});
const DATA = {
  then: "x",
  toJSON: "y",
  length: 3,
  constructor: { prototype: null },
  hasOwnProperty: [1.5, -0.25],
  "0": {},
};
const EVENT: MessageBody = {
  kind: "event",
  json: JSON.stringify({ type: "note", topic: "conversation:1", data: DATA, messageId: "e1" }).slice(0, -1),
};
const chatAt = (offset: number, epoch: string): object => ({
  ...JSON.parse(`${CHAT.json}}}`),
  data: { ...JSON.parse(`${CHAT.json}}}`).data, id: offset },
  offset,
  epoch,
});
const eventAt = (offset: number, epoch: string): object => ({ ...JSON.parse(`${EVENT.json}}`), offset, epoch });

/** Every promise of `src/protocol/codec.ts`, held against one framing. */
export function codecContract({ codec, read }: CodecContract): void {
  /** The same entries in the same order, at every level. */
  const same = (frame: string | Uint8Array, expected: object): void => {
    expect(JSON.stringify(read(frame))).toBe(JSON.stringify(expected));
  };

  describe(`the ${codec.name} codec`, () => {
    test("encodes a frame that another decoder reads as the same value, field by field", () => {
      same(codec.encode(FRAME), FRAME);
    });

    test("leaves fields out that are undefined, at every level", () => {
      const frame = Object.assign({}, FRAME, { messageId: undefined, data: { kept: null, left: undefined } } as object);
      same(codec.encode(frame), { ...FRAME, data: { kept: null } });
      same(codec.encodeWith(frame, codec.encodeFields({ left: undefined, kept: 1 })), {
        ...FRAME,
        data: { kept: null },
        kept: 1,
      });
      expect(codec.encodeFields({ left: undefined, kept: 1 }).count).toBe(1);
    });

    test("encodes a frame and shared fields into what one object would be", () => {
      const shared = { heartbeat: { intervalMs: 30_000 }, nodeId: "n", list: [1, "é"] };
      same(codec.encodeWith(FRAME, codec.encodeFields(shared)), { ...FRAME, ...shared });
    });

    test.each([1, 8, 14, 15, 16, 300])("composes %d fields with as many others", (count) => {
      const named = (prefix: string) => Object.fromEntries(Array.from({ length: count }, (_, n) => [prefix + n, n]));
      same(codec.encodeWith(named("own"), codec.encodeFields(named("shared"))), {
        ...named("own"),
        ...named("shared"),
      });
    });

    test("encodes no shared fields as the frame alone", () => {
      same(codec.encodeWith(FRAME, codec.encodeFields({})), FRAME);
    });

    test("says the offset of a chat message at its top level and as data.id", () => {
      same(codec.encodePositioned(CHAT, 456, "e1"), chatAt(456, "e1"));
    });

    test("says offset and epoch of an event at its top level", () => {
      same(codec.encodePositioned(EVENT, 1, "e"), eventAt(1, "e"));
    });

    test("lists messages in their order, each as it went out live", () => {
      const messages = [
        { body: CHAT, offset: 7, epoch: "a" },
        { body: EVENT, offset: 8, epoch: "a" },
        { body: CHAT, offset: 2 ** 40, epoch: "b" },
      ];
      const live = messages.map(({ body, offset, epoch }) => read(codec.encodePositioned(body, offset, epoch)));
      const answer = { type: "history", timestamp: 1 };
      same(codec.encodeWith(answer, codec.encodeMessages(messages)), { ...answer, messages: live });
      same(codec.encodeWith(answer, codec.encodeMessages([])), { ...answer, messages: [] });
    });

    test("overwrites nothing that it gave out, however much is encoded afterwards", () => {
      const text = (n: number) => `${n} ${"é".repeat(n % 2_000)}`;
      const frames: (string | Uint8Array)[] = [];
      const shared: EncodedFields[] = [];
      for (let n = 0; n < 3_000; n += 1) {
        frames.push(codec.encode({ type: "room_left", roomSlug: text(n), timestamp: n }));
        frames.push(codec.encodePositioned({ kind: "event", json: `{"type":${JSON.stringify(text(n))}` }, n, "e"));
        if (n % 10 === 0) shared.push(codec.encodeFields({ text: text(n) }));
      }
      for (let n = 0; n < 3_000; n += 1) {
        same(frames[2 * n] ?? "", { type: "room_left", roomSlug: text(n), timestamp: n });
        same(frames[2 * n + 1] ?? "", { type: text(n), offset: n, epoch: "e" });
      }
      for (const [index, fields] of shared.entries()) {
        same(codec.encodeWith({ index }, fields), { index, text: text(index * 10) });
      }
    });

    test("keeps its native topics apart from those of the other framing", () => {
      expect(codec.prefix).toBe(codec.name === "json" ? "j/" : "m/");
    });
  });
}
