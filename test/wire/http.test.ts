import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { expectServed } from "../support/bystander.ts";
import { type EchoServer, startEcho } from "../support/echo.ts";
import { encodeFrame, OPCODE } from "../support/frames.ts";
import { SAMPLE_KEY, type UpgradeRequest, upgradeRequest } from "../support/http.ts";
import { RawPeer } from "../support/peer.ts";
import { onBun, rowsFor } from "../support/on-bun.ts";
import { writeWithAnother } from "../support/pipelined.ts";
import { IS_UWS } from "../support/second-engine.ts";

/** HTTP that is meant to confuse the server, or a proxy in front of it. Every case leaves the other connections served. */

const FOLLOW_UP = "GET /internal/metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";

let server: EchoServer;
let bystander: RawPeer;
let peer: RawPeer;

beforeEach(async () => {
  server = await startEcho();
  bystander = await RawPeer.open(server.port);
  peer = await RawPeer.connect(server.port);
});

afterEach(async () => {
  await expectServed(bystander);
  expect((await server.state()).failures).toEqual([]);
  peer.destroy();
  bystander.destroy();
  await server.stop();
});

/** One answer with one of the statuses, then the end of the connection; what was behind it is never answered. */
async function expectRejected(bytes: string, statuses: readonly number[], behind = ""): Promise<void> {
  await writeWithAnother(peer, Buffer.from(bytes), behind);
  await peer.ended();
  expect(peer.responses()).toHaveLength(1);
  const [response] = peer.responses();
  expect(statuses).toContain(response?.status ?? 0);
  expect(response?.headers.has("server")).toBe(false);
  expect(response?.body).not.toContain("    at ");
}

test("a plain GET is answered, and told what to upgrade to", async () => {
  const response = await peer.request("GET /ws HTTP/1.1\r\nHost: localhost\r\n\r\n");
  expect(response.status).toBe(426);
  expect(response.headers.get("upgrade")).toEqual(["websocket"]);
  expect(response.headers.get("sec-websocket-version")).toEqual(["13"]);
});

describe("an upgrade is refused, and a request smuggled behind it is never answered, when", () => {
  const cases: readonly [what: string, request: UpgradeRequest, statuses: readonly number[]][] = [
    ["the version is 8", { version: "8" }, [400, 426]],
    ["the version is no number", { version: "13, 8" }, [400, 426]],
    ["there is no key", { key: null }, [400]],
    ["the key is short", { key: "abc" }, [400]],
    ["the key has 15 bytes", { key: "AAAAAAAAAAAAAAAAAAAA" }, [400]],
    ["there are two keys", { headers: [["Sec-WebSocket-Key", SAMPLE_KEY]] }, [400]],
    ["Upgrade only begins like the token", { upgrade: "websocketx" }, [400, 426]],
    ["Upgrade names another protocol", { upgrade: "h2c" }, [400, 426]],
    ["Connection lacks the token", { connection: "keep-alive" }, [400, 426]],
    ["the method is POST", { method: "POST" }, [400, 404, 405]],
    ["the method is PUT", { method: "PUT" }, [400, 404, 405]],
    ["the method is TRACE", { method: "TRACE" }, [400, 404, 405]],
    ["there are two Hosts", { headers: [["Host", "other"]] }, [400]],
    ["the Host is empty", { host: "" }, [400]],
    ["the Host has two ports", { host: "a:b:c" }, [400]],
    ["there is no Host", { host: null }, [400]],
    ["the application refuses", { path: "/refuse" }, [401]],
  ];
  test.each(cases)("%s", async (_what, request, statuses) => {
    await expectRejected(upgradeRequest(request), statuses, FOLLOW_UP);
  });
});

test("tokens are found in lists and in any case", async () => {
  const response = await peer.upgrade({ upgrade: "h2c, WebSocket", connection: "keep-alive, UPGRADE" });
  expect(response.status).toBe(101);
  expect(response.headers.get("sec-websocket-accept")).toEqual(["s3pPLMBiTxaQ9kYGzzhZRbK+xOo="]);
});

onBun("parser")("an absolute target is served under the Host of the request", async () => {
  expect((await peer.upgrade({ path: "http://evil.example/ws" })).status).toBe(101);
});

describe("headers that are too many or too long are answered 431 or 400", () => {
  test("2,000 of them", async () => {
    const headers = Array.from({ length: 2_000 }, (_, i) => [`x-${i}`, "y"] as const);
    await expectRejected(upgradeRequest({ headers }), [400, 431]);
  });

  test.each(["X-Long", "Sec-WebSocket-Protocol", "Cookie"])("64 KB of %s", async (name) => {
    await expectRejected(upgradeRequest({ headers: [[name, "v".repeat(65_536)]] }), [400, 431]);
  });

  test("a target of 100 KB", async () => {
    await expectRejected(upgradeRequest({ path: `/?token=${"t".repeat(100_000)}` }), [
      400,
      414,
      431,
      ...(IS_UWS ? [505] : []),
    ]);
  });
});

describe("extensions and subprotocols are offers that nothing takes up", () => {
  test.each(
    rowsFor(
      "parser",
      ["__proto__"],
      [
        ["Sec-WebSocket-Extensions", "constructor"],
        ["Sec-WebSocket-Extensions", "__proto__; x"],
        ["Sec-WebSocket-Extensions", "permessage-deflate; hasOwnProperty=1"],
        ["Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"],
        ["Sec-WebSocket-Extensions", `a; b="${"\\c".repeat(5_000)}`],
        ["Sec-WebSocket-Protocol", "__proto__, constructor"],
        ["Sec-WebSocket-Protocol", `b${" ".repeat(10_000)}x`],
        ["Connection", `b${" ".repeat(10_000)}x`],
        ["__proto__", "x"],
        ["constructor", "x"],
      ],
    ),
  )("%s: %.40s", async (name, value) => {
    const response = await peer.upgrade({ headers: [[name, value]] }, 1_000);
    expect([101, 400]).toContain(response.status);
    expect(response.headers.has("sec-websocket-extensions")).toBe(false);
    expect(response.headers.has("sec-websocket-protocol")).toBe(false);
  });
});

describe("a request whose end is ambiguous is refused, and nothing behind it is answered:", () => {
  const head = "POST /ws HTTP/1.1\r\nHost: localhost\r\n";
  test.each(
    rowsFor(
      "parser",
      ["a header name with a space before its colon", "a NUL in a header", "a folded header"],
      [
        ["a length and chunks", `${head}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, [400]],
        ["two lengths", `${head}Content-Length: 0\r\nContent-Length: 44\r\n\r\n`, [400]],
        ["a list of lengths", `${head}Content-Length: 0, 44\r\n\r\n`, [400]],
        ["a length with a sign", `${head}Content-Length: +0\r\n\r\n`, [400]],
        ["a negative length", `${head}Content-Length: -1\r\n\r\n`, [400]],
        ["an unknown transfer coding", `${head}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`, [400, 501]],
        ["chunked not as the last coding", `${head}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n`, [400, 501]],
        ["a header name with a space before its colon", `${head}Content-Length : 0\r\n\r\n`, [400]],
        ["a NUL in a header", `${head}X-Nul: a\0b\r\n\r\n`, [400]],
        ["a folded header", `${head}X-Fold: a\r\n Content-Length: 5\r\n\r\n`, [400]],
        ["a bare line feed", "GET /ws HTTP/1.1\nHost: localhost\n\n", [400, 505]],
        ["no HTTP at all", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n", [400, 505]],
      ],
    ),
  )("%s", async (_what, bytes, statuses) => {
    await expectRejected(bytes, statuses, FOLLOW_UP);
  });

  test("a chunk longer than 32 bits can say takes what follows as its data, until the body is too large", async () => {
    peer.writeRaw(`${head}Transfer-Encoding: chunked\r\n\r\n100000005\r\nhello\r\n0\r\n\r\n${FOLLOW_UP}`);
    await expectServed(bystander);
    // uWebSockets.js takes no such chunk at all.
    if (!IS_UWS) expect(peer.responses()).toEqual([]);
    peer.writeRaw("b".repeat(65_536));
    await peer.ended();
    expect(peer.responses().map(({ status }) => status)).toEqual([IS_UWS ? 400 : 413]);
  });
});

test("a frame behind a refused handshake never reaches the application", async () => {
  const frame = encodeFrame({ opcode: OPCODE.text, payload: "smuggled" });
  peer.writeRaw(Buffer.concat([Buffer.from(upgradeRequest({ path: "/refuse" })), frame]));
  await peer.ended();
  // A frame is no HTTP: Bun says so behind the refusal, before it closes, uWebSockets.js instead of it.
  const [refusal, ...others] = peer.responses().map(({ status }) => status);
  expect(refusal).toBe(IS_UWS ? 505 : 401);
  for (const status of others) expect(status).toBe(400);
  expect((await server.state()).received).toBe(0);
});

onBun("packet")("a handshake and its first frames may be split anywhere", async () => {
  const bytes = Buffer.concat([
    Buffer.from(upgradeRequest({ key: SAMPLE_KEY })),
    encodeFrame({ opcode: OPCODE.text, payload: "first" }),
    encodeFrame({ opcode: OPCODE.text, payload: "second" }),
  ]);
  for (let at = 1; at < bytes.length; at += 7) {
    using split = await RawPeer.connect(server.port);
    split.writeRaw(bytes.subarray(0, at));
    await expectServed(bystander);
    split.writeRaw(bytes.subarray(at));
    expect([await split.next(), await split.next()]).toEqual(["first", "second"]);
  }
});

test("peers that leave at any point of the handshake leave nothing behind", async () => {
  const bytes = upgradeRequest();
  for (let at = 0; at <= bytes.length; at += 9) {
    using leaver = await RawPeer.connect(server.port);
    leaver.writeRaw(bytes.slice(0, at));
    if (at % 2 === 0) await expectServed(bystander);
  }
  while ((await server.state()).open > 1) await expectServed(bystander);
});

test("a header of the PROXY protocol is no HTTP: the connection ends, and nothing behind it is answered", async () => {
  peer.writeRaw("PROXY TCP4 203.0.113.9 203.0.113.1 5678 443\r\n" + upgradeRequest());
  await peer.ended();
  expect(peer.responses().filter(({ status }) => status < 400)).toEqual([]);
});
