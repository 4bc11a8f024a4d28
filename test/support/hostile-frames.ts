/** WebSocket frames that RFC 6455 forbids, as hex. Those that are masked have the key 0, so that their payload can be read. */

type Row = readonly [what: string, bytes: string];

export const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex");

const opcodes = (...list: string[]): Row[] => list.map((o) => [`reserved opcode ${o}`, `${o} 80 00000000`]);

export const BROKEN_FRAMES: readonly Row[] = [
  ["an unmasked text", "81 05 68656c6c6f"],
  ["an unmasked ping", "89 00"],
  ...opcodes("83", "84", "85", "86", "87", "8b", "8c", "8d", "8e", "8f"),
  ["RSV1 without an extension", "c1 85 00000000 68656c6c6f"],
  ["RSV2", "a1 85 00000000 68656c6c6f"],
  ["RSV3", "91 85 00000000 68656c6c6f"],
  ["RSV1 on a ping", "c9 80 00000000"],
  ["a ping of 126 bytes", `89 fe 007e 00000000 ${"61".repeat(126)}`],
  ["a pong of 126 bytes", `8a fe 007e 00000000 ${"61".repeat(126)}`],
  ["a close of 126 bytes", `88 fe 007e 00000000 03e8 ${"61".repeat(124)}`],
  ["a fragmented ping", "09 80 00000000"],
  ["a fragmented close", "08 82 00000000 03e8"],
  ["a continuation of nothing", "80 85 00000000 68656c6c6f"],
  ["an open continuation of nothing", "00 85 00000000 68656c6c6f"],
  ["a text inside a text", "01 81 00000000 61 81 81 00000000 62"],
  ["a binary begun inside a text", "01 81 00000000 61 02 81 00000000 62"],
  ["a continuation after a whole message was begun twice", "02 81 00000000 61 82 81 00000000 62 80 80 00000000"],
];

/** Those that uWebSockets.js takes for good: it does not ask for masks, nor for the end of a message that was begun. */
export const TAKEN_BY_UWS = [
  "an unmasked text",
  "an unmasked ping",
  "a binary begun inside a text",
  "a continuation after a whole message was begun twice",
];

/** Headers whose message would be over any limit. */
export const HUGE_LENGTHS: readonly Row[] = [
  ["a length of 2^64-1", "82 ff ffffffffffffffff 00000000"],
  ["a length of 2^63-1", "82 ff 7fffffffffffffff 00000000"],
  ["a length of 2^32", "82 ff 0000000100000000 00000000"],
  ["a length of one over the limit", "82 ff 0000000000010001 00000000"],
];

/** Close frames that are none. */
export const BROKEN_CLOSES: readonly Row[] = [
  ["of one byte", "88 81 00000000 03"],
  ["with a reason that is no UTF-8", "88 84 00000000 03e8 c328"],
];

/** Text frames that are no UTF-8. */
export const BROKEN_TEXTS: readonly Row[] = [
  ["a broken sequence", "81 82 00000000 c328"],
  ["an overlong form", "81 82 00000000 c0af"],
  ["a surrogate", "81 83 00000000 eda080"],
  ["a code point over U+10FFFF", "81 84 00000000 f4908080"],
  ["a truncated character", "81 82 00000000 e282"],
  ["a lone continuation byte", "81 81 00000000 80"],
  ["the byte ff", "81 81 00000000 ff"],
  ["a character that its second fragment breaks", "01 81 00000000 c3 80 81 00000000 28"],
];
