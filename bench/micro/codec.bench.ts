import { bench, do_not_optimize, group } from "mitata";
import { Packr } from "msgpackr";
import * as v from "valibot";
import { chatBody } from "../../src/protocol/codec.ts";
import { decodeFrame } from "../../src/protocol/decode.ts";
import { jsonCodec } from "../../src/protocol/json.ts";
import { msgpackCodec } from "../../src/protocol/msgpack.ts";
import { checkMessagePack } from "../../src/protocol/msgpack-check.ts";
import { clientFrames } from "../../src/protocol/frames.ts";
import type { ChatMessage, ServerFrame } from "../../src/protocol/server-frames.ts";
import { isTopic, roomTopic } from "../../src/protocol/topic.ts";
import { chatMessage, messageIdOf } from "../load/client-frames.ts";

const small = chatMessage("general-chat", messageIdOf(1));
const large = JSON.stringify({ type: "chat_message", roomSlug: "general-chat", message: "x".repeat(4_096) });
const decoded = decodeFrame(small);
const pack = new Packr({ useRecords: false, variableMapSize: true });
const packedSmall = Buffer.from(pack.pack(JSON.parse(small)));
const packedLarge = Buffer.from(pack.pack(JSON.parse(large)));

const message: ChatMessage = {
  type: "new_message",
  timestamp: 1_767_225_600_000,
  roomSlug: "general-chat",
  data: {
    slug: messageIdOf(1),
    chatRoomSlug: "general-chat",
    userSlug: "u00001",
    username: "alice",
    messageType: "TEXT",
    message: "tautline tautline",
    createdAt: "2026-01-01T00:00:00.000Z",
  },
};
const body = chatBody(message);
const acknowledgement: ServerFrame = {
  type: "message_sent",
  messageId: messageIdOf(1),
  roomSlug: "general-chat",
  offset: 1_000,
  epoch: "5f0c1d2e",
  timestamp: 1_767_225_600_000,
};
/** Of one constant name the compiler keeps the answer, and nothing is measured. */
const slugs = Array.from({ length: 64 }, (_, i) => `general-chat-${i}`);
let turn = 0;

group("codec, JSON", () => {
  bench("JSON.parse alone, 96 bytes", () => do_not_optimize(JSON.parse(small)));
  bench("decode chat_message, 96 bytes", () => do_not_optimize(decodeFrame(small)));
  bench("decode chat_message, 4 KiB", () => do_not_optimize(decodeFrame(large)));
  bench("encode new_message without its position", () => do_not_optimize(chatBody(message)));
  // As bytes: a concatenated string is only built when it is read, and the engine reads it.
  bench("append the position, as bytes", () =>
    do_not_optimize(Buffer.from(jsonCodec.encodePositioned(body, 1_000, "epoch"))),
  );
});

group("codec, MessagePack", () => {
  bench("check chat_message alone", () => do_not_optimize(checkMessagePack(packedSmall)));
  bench("check chat_message alone, 4 KiB", () => do_not_optimize(checkMessagePack(packedLarge)));
  bench("decode chat_message", () => do_not_optimize(decodeFrame(packedSmall)));
  bench("decode chat_message, 4 KiB", () => do_not_optimize(decodeFrame(packedLarge)));
  bench("pack new_message with its position", () =>
    do_not_optimize(msgpackCodec.encodePositioned(body, 1_000, "epoch")),
  );
});

group("encode message_sent", () => {
  bench("JSON", () => do_not_optimize(jsonCodec.encode(acknowledgement)));
  bench("MessagePack", () => do_not_optimize(msgpackCodec.encode(acknowledgement)));
});

group("validation", () => {
  bench("chat_message", () => do_not_optimize(v.safeParse(clientFrames.chat_message, decoded, { abortEarly: true })));
  bench("topic name", () => do_not_optimize(isTopic(roomTopic(slugs[(turn = (turn + 1) & 63)] ?? ""))));
});
