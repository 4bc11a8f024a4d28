import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { encodeFrame, OPCODE } from "../support/frames.ts";
import { TestNode, token } from "../support/node.ts";
import type { JsonObject, RawPeer } from "../support/peer.ts";

/** JSON that is meant to hurt, sent to a running node. Every case leaves the room of a bystander quiet and the bystander served. */

let node: TestNode;
let bystander: RawPeer;
let peer: RawPeer;

beforeEach(async () => {
  node = await TestNode.start({ MESSAGES_PER_SECOND: "100000", MESSAGE_BURST: "100000" });
  bystander = await node.member("bystander", "r");
  peer = await node.member("attacker", "r");
  await bystander.jsonOfType("user_joined");
});

afterEach(async () => {
  bystander.send({ type: "ping", id: "served" });
  expect(await bystander.json(1_000)).toMatchObject({ type: "pong", id: "served" });
  expect((await node.metrics()).get("tautline_handler_failures_total")).toBe(0);
  expect(Object.hasOwn(Object.prototype, "admin")).toBe(false);
  await node.stop();
});

async function answerTo(text: string): Promise<JsonObject> {
  peer.text(text);
  return peer.json();
}

const ping = (extra: string): string => `{"type":"ping",${extra}}`;
const nested = (open: string, close: string, levels: number): string => open.repeat(levels) + close.repeat(levels);
const keys = (count: number): string => Array.from({ length: count }, (_, key) => `"k${key}":0`).join();

describe("is an invalid message, answered briefly and without what was sent", () => {
  test.each([
    ["a list", "[]"],
    ["null", "null"],
    ["true", "true"],
    ["a number", "0"],
    ["a text", '""'],
    ["a list with null", "[null]"],
    ["an empty object", "{}"],
    ["an empty frame", ""],
    ["whitespace", " \t\r\n "],
    ["a batch", `[${Array(1_000).fill('{"type":"ping"}').join()}]`],
    ["lines of JSON", '{"type":"ping"}\n{"type":"ping"}'],
    ["60,000 newlines", "\n".repeat(60_000)],
    ["a type that is a list", '{"type":["ping"]}'],
    ["a type that is an object", '{"type":{"toString":"ping"}}'],
    ["60,000 open brackets", "[".repeat(60_000)],
    ["60,000 balanced brackets", nested("[", "]", 30_000)],
    ["10,000 open objects", '{"a":'.repeat(10_000)],
    ["33 levels of lists", ping(`"x":${nested("[", "]", 32)}`)],
    ["33 levels of objects", ping(`"x":${'{"a":'.repeat(31)}{}${"}".repeat(31)}`)],
    ["1,001 keys", ping(keys(1_000))],
    ["6,000 keys inside", ping(`"x":{${keys(6_000)}}`)],
    ["the key __proto__", '{"__proto__":{"type":"ping","admin":true}}'],
    ["the key __proto__ inside", ping('"x":{"__proto__":{"admin":true}}')],
    ["the key __proto__ in escapes", ping('"x":[{"\\u005f_proto__":{"admin":true}}]')],
    ["1e999", ping('"x":1e999')],
    ["-1E400", ping('"x":[-1E400]')],
    ["2^53 + 1", ping('"x":9007199254740993')],
    ["1e300, a whole number", ping('"x":1e300')],
    ["a lone surrogate", ping('"x":"\\ud800"')],
    ["a lone surrogate as a key", ping('"x":{"\\udc00":1}')],
    ["a lone surrogate in a message", '{"type":"chat_message","roomSlug":"r","message":"\\ud800"}'],
    ["a byte order mark", '\ufeff{"type":"ping"}'],
    ["NaN", ping('"x":NaN')],
    ["a trailing comma", '{"type":"ping",}'],
    ["a comment", '{"type":"ping"/**/}'],
    ["single quotes", "{'type':'ping'}"],
    ["a bare key", '{type:"ping"}'],
    ["a leading zero", ping('"x":01')],
    ["a leading plus", ping('"x":+1')],
    ["hexadecimal", ping('"x":0x1')],
    ["a raw control character", ping('"x":"\u0001"')],
    ["a NUL behind", '{"type":"ping"}\u0000'],
    ["a bad escape", ping('"x":"\\x41"')],
    ["something behind", '{"type":"ping"} x'],
    ["64 KB as a room", `{"type":"join_room","roomSlug":"${"a".repeat(60_000)}"}`],
    ["64 KB of dashes as a topic", `{"type":"presence","topic":"${"-".repeat(60_000)}"}`],
    [
      "64 KB as a message id",
      `{"type":"chat_message","roomSlug":"r","message":"x","messageId":"${"@".repeat(60_000)}"}`,
    ],
    ["64 KB as a frame id", ping(`"id":"${"i".repeat(60_000)}"`)],
    ["64 KB as a cursor", `{"type":"presence","roomSlug":"r","after":"${"a".repeat(60_000)}"}`],
    ["isTyping as a text", '{"type":"typing","roomSlug":"r","isTyping":"true"}'],
    ["isTyping as null", '{"type":"typing","roomSlug":"r","isTyping":null}'],
    ["a frame id that is a fraction", ping('"id":1.5')],
    ["a frame id that is null", ping('"id":null')],
    ["a frame id that is a list", ping('"id":[1]')],
    ["a cursor that is a number", '{"type":"presence","roomSlug":"r","after":5}'],
    ["a cursor below nothing", '{"type":"presence","roomSlug":"r","after":"-1"}'],
    ["a cursor over 2^53", '{"type":"presence","roomSlug":"r","after":"9007199254740993"}'],
    ["a room and a topic", '{"type":"presence","roomSlug":"r","topic":"room:r"}'],
    ["a room that is an object with toString", '{"type":"join_room","roomSlug":{"toString":"r"}}'],
    ["a batch with null in it", '[{"type":"ping"},null]'],
    ["batches in a batch", `[${nested("[", "]", 30)}]`],
    ["an unclosed text", '{"type":"ping'],
    ["a raw line feed in a text", ping('"x":"\n"')],
    ["a raw tab in a text", ping('"x":"\t"')],
    ["an escape without its digits", ping('"x":"\\u12"')],
    ["a fraction without digits", ping('"x":1.')],
    ["a fraction without a head", ping('"x":.5')],
    ["an exponent without digits", ping('"x":1e')],
    ["a lone minus", ping('"x":-')],
    ["Infinity", ping('"x":Infinity')],
    ["a literal in capitals", ping('"x":True')],
    ["a missing value", ping('"x":')],
    ["a missing comma", '{"type":"ping" "x":1}'],
    ["a doubled comma", '{"type":"ping",,"x":1}'],
    ["a colon for a comma", '{"type":"ping":"x"}'],
    ["a number as a key", '{"type":"ping",1:1}'],
    ["a form feed between tokens", '{"type":\f"ping"}'],
    ["a no-break space between tokens", '{"type":\u00a0"ping"}'],
    ["a closing bracket too many", '{"type":"ping"}}'],
    ["brackets that do not match", ping('"x":[1}')],
    ["a limit of nothing", '{"type":"history","roomSlug":"r","limit":0}'],
    ["a limit below nothing", '{"type":"history","roomSlug":"r","limit":-1}'],
    ["a limit that is a fraction", '{"type":"history","roomSlug":"r","limit":1.5}'],
    ["a limit that is a text", '{"type":"history","roomSlug":"r","limit":"5"}'],
    ["a limit that is null", '{"type":"history","roomSlug":"r","limit":null}'],
    ["a limit of 2^53", '{"type":"history","roomSlug":"r","limit":9007199254740992}'],
    ["a position that is null", '{"type":"history","roomSlug":"r","since":null}'],
    ["an offset below nothing", '{"type":"history","roomSlug":"r","since":{"offset":-1,"epoch":"e"}}'],
    ["an offset that is null", '{"type":"join_room","roomSlug":"r","recover":{"offset":null,"epoch":"e"}}'],
    ["an offset of 2^53", '{"type":"join_room","roomSlug":"r","recover":{"offset":9007199254740992,"epoch":"e"}}'],
    ["an epoch that is a number", '{"type":"join_room","roomSlug":"r","recover":{"offset":1,"epoch":1}}'],
  ])("%s", async (_what, text) => {
    const error = await answerTo(text);
    expect(error).toMatchObject({ type: "error", code: "BAD_MESSAGE", message: "Invalid message format" });
    expect(JSON.stringify(error).length).toBeLessThan(300);
    expect(await answerTo('{"type":"ping","id":"on"}')).toMatchObject({ type: "pong", id: "on" });
  });
});

describe("is a message like any other", () => {
  test.each([
    ["32 levels", ping(`"x":${nested("[", "]", 31)}`)],
    ["1,000 keys", ping(keys(999))],
    ["keys that look like array indexes", ping('"4294967294":0,"0":1,"-1":2')],
    ["constructor and prototype as keys", ping('"constructor":{"prototype":{"admin":true}}')],
    ["then, toJSON and length as keys", ping('"then":"x","toJSON":"x","length":-1,"valueOf":null')],
    ["minus zero and a number too small to tell", ping('"x":[-0,0.1e-400,1e-7,1.5]')],
    ["2^53 - 1", ping('"id":9007199254740991')],
    ["whitespace around", ' \r\n\t{ "type" : "ping" } \n'],
    ["every escape", ping('"x":"\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\uD83D\\uDE00"')],
    ["an escaped type", '{"\\u0074ype":"\\u0070ing"}'],
    ["a type that comes twice: the last counts", '{"type":"nope","type":"ping"}'],
  ])("%s", async (_what, text) => {
    expect(await answerTo(text)).toMatchObject({ type: "pong" });
  });
});

describe("before authentication", () => {
  test.each([
    "null",
    "[]",
    '""',
    "0",
    "true",
    "[null]",
    "{}",
    "",
    " ",
    '{"type":"publish"}',
    "[".repeat(8_000),
    '{"type":null}',
  ])("a first frame %j is answered that authentication comes first", async (text) => {
    const stranger = await node.upgraded({ path: "/" });
    stranger.text(text);
    expect(await stranger.json()).toMatchObject({ type: "error", code: "AUTH_REQUIRED" });
  });

  test.each(["1", "null", "true", '["a.b.c"]', '{"toString":"a.b.c"}', '""', '"a.b.c"'])(
    "the token %s is refused with 4001",
    async (value) => {
      const stranger = await node.upgraded({ path: "/" });
      stranger.text(`{"type":"auth","token":${value}}`);
      expect(await stranger.json()).toMatchObject({ type: "auth_error" });
      expect((await stranger.closed()).code).toBe(4001);
    },
  );
});

test("of a room named twice the last one is checked and served", async () => {
  const error = await answerTo('{"type":"chat_message","roomSlug":"r","roomSlug":"other","message":"x"}');
  expect(error).toMatchObject({ code: "NOT_A_MEMBER", roomSlug: "other" });
});

test("text goes through unchanged where it is well formed, and nobody gets invalid UTF-8", async () => {
  const message = 'é😀\u2028\u2029\ufeff‮<script>"\\\u007f\u0085';
  peer.send({ type: "chat_message", roomSlug: "r", message });
  expect(await bystander.json()).toMatchObject({ data: { message } });
});

describe("the other kind of frame", () => {
  test("binary with JSON in it is an invalid message", async () => {
    peer.binary(Buffer.from('{"type":"ping"}'));
    expect(await peer.json()).toMatchObject({ code: "BAD_MESSAGE" });
  });

  test("text with MessagePack in it is an invalid message", async () => {
    peer.frame({ opcode: OPCODE.text, payload: Buffer.from([0x01, 0x24, 0x74, 0x79, 0x70, 0x65]) });
    expect(await peer.json()).toMatchObject({ code: "BAD_MESSAGE" });
  });
});

test("1,000 frames in one packet are answered in their order", async () => {
  const frames = Array.from({ length: 1_000 }, (_, id) => JSON.stringify({ type: "ping", id }));
  peer.writeRaw(Buffer.concat(frames.map((payload) => encodeFrame({ opcode: OPCODE.text, payload }))));
  for (let id = 0; id < 1_000; id += 1) expect(await peer.json()).toMatchObject({ type: "pong", id });
});

describe("what is written down", () => {
  const INJECTION = 'x\n{"level":"high","event":"account.login"}\r\u001b[31m\u2028\u2029\u0085';

  test("is one JSON object a line, whatever names and headers hold", async () => {
    const own = await TestNode.start({ AUDIT_FILE: null });
    const jwt = token({ sub: "eve", username: INJECTION, name: INJECTION, sid: INJECTION });
    const header = INJECTION.replace(/[^\x20-\x7e]/g, "");
    const eve = await own.upgraded({
      path: `/ws?token=${jwt}&x=${encodeURIComponent(INJECTION)}`,
      headers: [
        ["User-Agent", `agent ${header}`],
        ["Origin", "http://localhost"],
      ],
    });
    await eve.jsonOfType("connected");
    eve.send({ type: "join_room", roomSlug: INJECTION });
    eve.send({ type: INJECTION, roomSlug: INJECTION, messageId: INJECTION });
    eve.send({ type: "join_room", roomSlug: "r" });
    await eve.jsonOfType("room_joined");
    eve.close(4000, header.slice(0, 100));
    await eve.ended();
    const refused = await own.peer();
    await refused.upgrade({ path: `/nowhere/${encodeURIComponent(INJECTION)}`, headers: [["User-Agent", header]] });

    const written = await own.writtenAfterStop();
    await own.stop();
    const lines = written.split("\n").filter((line) => line !== "");
    expect(lines.length).toBeGreaterThan(4);
    for (const line of lines) {
      const record: unknown = JSON.parse(line);
      expect(record).toBeObject();
      expect(record).not.toHaveProperty("event", "account.login");
      expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/);
    }
  });

  test("has as many metric series after 1,000 random types and paths as after one", async () => {
    const own = await TestNode.start({ MESSAGES_PER_SECOND: "100000", MESSAGE_BURST: "100000", LOG_LEVEL: "silent" });
    const known = await own.connect("ada");
    const everything = async (round: string, count: number): Promise<void> => {
      for (let sent = 0; sent < count; sent += 1) {
        known.send({ type: `type-${round}-${sent}`, roomSlug: `room-${round}-${sent}` });
        known.send({ type: "chat_message", roomSlug: `room-${round}-${sent}`, message: "x" });
      }
      known.send({ type: "ping" });
      await known.jsonOfType("pong");
      for (let sent = 0; sent < Math.min(count, 100); sent += 1) {
        await own.http(`/path-${round}-${sent}`);
        const stranger = await own.peer();
        await stranger.upgrade({ path: `/${round}/${sent}` });
      }
    };
    await everything("first", 1);
    const before = [...(await own.metrics()).keys()];
    await everything("later", 1_000);
    expect([...(await own.metrics()).keys()]).toEqual(before);
    await own.stop();
  });
});
