import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { until } from "../auth/tokens.ts";
import { ChunkedRequest } from "../support/chunked-request.ts";
import { FakeClock } from "../support/clock.ts";
import { TestNode, token } from "../support/node.ts";
import { oneNode } from "../support/one-node.ts";
import { onBun } from "../support/on-bun.ts";

/** The application's backend over real HTTP, with clients on real sockets. */

const API_KEY = "the-key-of-the-backend";

let node: TestNode;

beforeEach(async () => {
  node = await TestNode.start({ API_KEY });
});

afterEach(async () => {
  await node.stop();
});

function call(path: string, body?: unknown, headers: Record<string, string> = { "X-API-Key": API_KEY }) {
  const init = body === undefined ? { headers } : post(JSON.stringify(body), headers);
  return node.http(path, init);
}

function post(body: string, headers: Record<string, string>): RequestInit {
  return { method: "POST", headers: { "Content-Type": "application/json", ...headers }, body };
}

async function json(response: Promise<Response>): Promise<unknown> {
  return (await response).json();
}

function open(path: string, type: string): Promise<ChunkedRequest> {
  return node.peer().then((peer) => new ChunkedRequest(peer, path, { "X-API-Key": API_KEY, "Content-Type": type }));
}

test("what the backend publishes reaches the members of a room, of which one speaks MessagePack", async () => {
  const ada = await node.member("ada", "a/b");
  const packed = await node.upgraded({ path: `/ws?format=msgpack&token=${token({ sub: "bob" })}` });
  await packed.next();
  packed.send({ type: "join_room", roomSlug: "a/b" });
  await packed.next();
  await ada.jsonOfType("user_joined");
  const published = await json(call("/api/publish", { roomSlug: "a/b", event: "news", data: { n: 1 } }));
  expect(published).toMatchObject({ offset: 1 });
  expect(await ada.json()).toMatchObject({ type: "news", roomSlug: "a/b", data: { n: 1 }, offset: 1 });
  expect(await packed.next()).toBeInstanceOf(Uint8Array);
  const history = await json(call("/api/topics/room%3Aa%2Fb/history"));
  expect(history).toMatchObject({ items: [{ type: "news", roomSlug: "a/b" }], offset: 1 });
  expect((await call("/api/topics/room:a/b/history")).status).toBe(404);
});

test("a user is sent to, subscribed, listed, unsubscribed and disconnected with a code of the application's own", async () => {
  const peer = await node.connect("u1");
  expect(await json(call("/api/users/u1/send", { event: "notification", data: 1 }))).toMatchObject({ delivered: 1 });
  expect(await peer.json()).toMatchObject({ type: "notification", topic: "user:u1", data: 1 });
  expect(await json(call("/api/users/u1/subscribe", { topic: "conversation:7" }))).toEqual({
    subscribed: 1,
    skipped: 0,
  });
  expect(await peer.json()).toMatchObject({ type: "subscribed", topic: "conversation:7" });
  expect(await json(call("/api/connections?user=u1"))).toMatchObject({ items: [{ endpoint: "/ws", topics: 1 }] });
  expect(await json(call("/api/topics"))).toEqual({ items: [{ topic: "conversation:7", members: 1, users: 1 }] });
  expect(await json(call("/api/users/u1/unsubscribe", { topic: "conversation:7" }))).toEqual({ unsubscribed: 1 });
  expect(await peer.json()).toMatchObject({ type: "unsubscribed", code: "REVOKED" });
  expect(await json(call("/api/users/u1/disconnect", { code: 4321, reason: "maintenance" }))).toEqual({ closed: 1 });
  expect(await peer.closed()).toEqual({ code: 4321, reason: "maintenance" });
});

test("followers by their token and users who are named get an event once each", async () => {
  const fan = await node.connect("fan", { follows: ["star"] });
  const named = await node.connect("named");
  const body = { event: "user_post_created", data: { postId: 789 }, to: ["fan", "named"] };
  expect(await json(call("/api/users/star/followers/send", body))).toMatchObject({ delivered: 2 });
  expect(await fan.json()).toMatchObject({ type: "user_post_created", topic: "followers:star", data: { postId: 789 } });
  expect(await named.json()).toMatchObject({ type: "user_post_created", topic: "user:named" });
  for (const peer of [fan, named]) {
    peer.send({ type: "ping" });
    expect(await peer.json()).toMatchObject({ type: "pong" });
  }
});

describe("a stream", () => {
  test("reaches its readers while it is written, cut in the middle of characters and of CRLF", async () => {
    const reader = await node.member("reader", "answers");
    const sender = await open("/api/stream/room%3Aanswers?event=delta", "text/event-stream");
    const bytes = Buffer.from("data: h€llo\r\n\r\ndata: wörld\r\n\r\n");
    for (const byte of bytes.subarray(0, 17)) sender.write(Uint8Array.of(byte));
    expect(await reader.json()).toMatchObject({ type: "delta", data: "h€llo", offset: 1 });
    for (const byte of bytes.subarray(17)) sender.write(Uint8Array.of(byte));
    expect(await reader.json()).toMatchObject({ type: "delta", data: "wörld", offset: 2 });
    expect(await sender.end()).toMatchObject({ status: 200, body: '{"published":2}' });
    expect(await sender.peer.request("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")).toMatchObject({ status: 200 });
  });

  test("may be longer than any other body, and no other body is", async () => {
    const sender = await open("/api/stream/room:answers", "application/x-ndjson");
    for (let index = 0; index < 20; index += 1) sender.write(`"${"x".repeat(16_000)}"\n`);
    expect(await sender.end()).toMatchObject({ status: 200, body: '{"published":20}' });
    const other = await open("/api/publish", "application/json");
    for (let index = 0; index < 20; index += 1) other.write("x".repeat(16_000));
    const { status, body } = await other.end();
    expect([status, JSON.parse(body)]).toMatchObject([413, { code: "MESSAGE_TOO_LARGE", limit: 65_536 }]);
  });

  test("that ends with an error says how far it came, and the connection goes on", async () => {
    const sender = await open("/api/stream/room:answers", "application/x-ndjson");
    sender.write("1\nnonsense\n");
    const { status, body } = await sender.peer.response();
    expect([status, JSON.parse(body)]).toMatchObject([400, { code: "BAD_REQUEST", published: 1 }]);
    sender.write("2\n");
    sender.peer.writeRaw("0\r\n\r\n");
    expect(await sender.peer.request("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")).toMatchObject({ status: 200 });
    expect(await json(call("/api/topics/room:answers/history"))).toMatchObject({ offset: 1 });
  });

  test("whose sender goes away stops, and gives its place back", async () => {
    const reader = await node.member("reader", "answers");
    const sender = await open("/api/stream/room:answers", "application/x-ndjson");
    sender.write("1\n2");
    expect(await reader.json()).toMatchObject({ data: 1 });
    sender.peer.destroy();
    await node.metricIs('tautline_api_calls_total{route="POST /api/stream/{topic}",result="refused"}', (n) => n === 1);
    const samples = await node.metrics();
    expect(samples.get('tautline_errors_total{code="BAD_REQUEST"}')).toBe(1);
    expect(samples.get("tautline_handler_failures_total")).toBe(0);
    expect(await json(call("/api/topics/room:answers/history"))).toMatchObject({ offset: 1 });
  });

  oneNode("drain")("goes on during a drain, in which none begins, and is cut when the node stops", async () => {
    const leaving = await TestNode.start({ API_KEY });
    const headers = { "X-API-Key": API_KEY, "Content-Type": "application/x-ndjson" };
    const sender = new ChunkedRequest(await leaving.peer(), "/api/stream/room:answers", headers);
    const offset = async (): Promise<unknown> =>
      Object(await json(leaving.http("/api/topics/room:answers/history", { headers }))).offset;
    sender.write("1\n");
    await until(async () => (await offset()) === 1);
    await leaving.drain();
    const late = await leaving.http("/api/stream/room:answers", { method: "POST", headers, body: "3\n" });
    expect([late.status, await late.json()]).toMatchObject([503, { code: "DRAINING" }]);
    sender.write("2\n");
    await until(async () => (await offset()) === 2);
    await leaving.halt();
    await sender.peer.until("the end", () => (sender.peer.isEnded ? true : undefined));
    await leaving.stop();
  });

  test("over MAX_STREAM_BYTES is refused, whether it says so or only sends it", async () => {
    const small = await TestNode.start({ API_KEY, MAX_STREAM_BYTES: "100000" });
    const body = "1\n".repeat(60_000);
    const init = { method: "POST", headers: { "X-API-Key": API_KEY, "Content-Type": "application/x-ndjson" }, body };
    const said = await small.http("/api/stream/room:a", init);
    expect([said.status, await said.json()]).toMatchObject([413, { limit: 100_000, actual: 120_000, published: 0 }]);
    const chunked = { ...init, body: new Blob([` \n${" ".repeat(60_000)}\n`, " ".repeat(60_000)]).stream() };
    const sent = await small.http("/api/stream/room:a", chunked);
    expect([sent.status, await sent.json()]).toMatchObject([413, { limit: 100_000, published: 0 }]);
    await small.stop();
  });
});

onBun("clock")(
  "a stream that is too fast is read no faster than it is published: its sender has to wait",
  async () => {
    const clock = new FakeClock(Date.now());
    const slow = await TestNode.start({ API_KEY, MAX_STREAM_BYTES: String(256 * 1_048_576) }, { clock });
    const sender = await slow.peer();
    const head = `POST /api/stream/room:a HTTP/1.1\r\nHost: localhost\r\nX-API-Key: ${API_KEY}\r\n`;
    sender.writeRaw(`${head}Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n`);
    const line = Buffer.from(`ea60\r\n${"1\n".padStart(60_000)}\r\n`);
    sender.writeRaw(Buffer.concat(Array.from({ length: 1_500 }, () => line)));
    const headers = { "X-API-Key": API_KEY };
    const offset = async (): Promise<unknown> => {
      const body: unknown = await (await slow.http("/api/topics/room:a/history?limit=1", { headers })).json();
      return Reflect.get(Object(body), "offset");
    };
    await until(async () => (await offset()) === 200);
    const unwritten = sender.unwrittenBytes;
    expect(unwritten).toBeGreaterThan(40_000_000);
    clock.advance(50);
    await until(async () => (await offset()) === 210);
    expect(sender.unwrittenBytes).toBeGreaterThan(40_000_000);
    sender.destroy();
    await slow.stop();
  },
  20_000,
);

test("calls are counted and audited, and neither key nor what was sent is written anywhere", async () => {
  await call("/api/publish", { topic: "room:a", event: "canary-event", data: "canary-data" });
  await call("/api/publish?token=canary-query", { topic: "room:a", event: "e" }, { "X-API-Key": "canary-wrong-key" });
  const series = 'tautline_api_calls_total{route="POST /api/publish",result=';
  const samples = await node.metrics();
  expect([samples.get(`${series}"ok"}`), samples.get(`${series}"refused"}`)]).toEqual([1, 1]);
  const audited = await node.auditAfterStop();
  const shared = { event: "api.called", address: "127.0.0.1", method: "POST", route: "/api/publish", nodeId: "node-1" };
  expect(audited).toMatchObject([
    { ...shared, level: "info", by: "key", result: "ok", code: "OK", userId: null },
    { ...shared, level: "warning", by: "nobody", result: "refused", code: "AUTH_FAILED", userId: null },
  ]);
  const written = await node.writtenAfterStop();
  expect(written).not.toContain("canary");
  expect(written).not.toContain(API_KEY);
});
