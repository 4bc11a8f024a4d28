import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { MAX_STREAMS } from "../../src/api/stream.ts";
import { until } from "../auth/tokens.ts";
import type { KeptSocket } from "../support/hub.ts";
import { BackendRig } from "./backend-rig.ts";

const NDJSON = "application/x-ndjson";
const SSE = "text/event-stream";

let rig: BackendRig;
let reader: KeptSocket;

beforeEach(() => {
  rig = new BackendRig();
  reader = rig.hub.member("reader", "answers").socket;
});

afterEach(() => {
  expect(rig.heldOpen).toBe(0);
  rig[Symbol.dispose]();
});

/** A body that the test writes piece by piece. */
class Pipe {
  readonly stream: ReadableStream<Uint8Array>;
  #controller: ReadableStreamDefaultController<Uint8Array> | null = null;
  isCancelled = false;

  constructor() {
    this.stream = new ReadableStream<Uint8Array>(
      {
        start: (controller) => void (this.#controller = controller),
        cancel: () => void (this.isCancelled = true),
      },
      { highWaterMark: 0 },
    );
  }

  write(text: string): void {
    this.#controller?.enqueue(new TextEncoder().encode(text));
  }

  end(): void {
    this.#controller?.close();
  }

  breakOff(): void {
    this.#controller?.error(new Error("the connection was closed"));
  }
}

interface Started {
  readonly pipe: Pipe;
  readonly answer: Promise<[number, unknown]>;
}

function start(query = "", type = NDJSON, signal?: AbortSignal): Started {
  const pipe = new Pipe();
  const path = `/api/stream/room:answers${query}`;
  const answer = rig.callWith(path, { body: pipe.stream, type, ...(signal !== undefined && { signal }) });
  return { pipe, answer };
}

function whole(text: string, query = "", type = NDJSON): Promise<[number, unknown]> {
  return rig.callWith(`/api/stream/room:answers${query}`, { body: text, type });
}

const arrived = (count: number): Promise<void> => until(() => reader.pending >= count);
const datas = (): unknown[] => reader.take().map(({ data }) => data);

describe("a stream", () => {
  test("is published item by item while it is written", async () => {
    const { pipe, answer } = start();
    pipe.write('{"index":0,"text":"Hel"}\n{"index":1,');
    await arrived(1);
    expect(reader.take()).toMatchObject([
      { type: "token", roomSlug: "answers", data: { index: 0, text: "Hel" }, offset: 1, messageId: expect.any(String) },
    ]);
    pipe.write('"text":"lo"}\n');
    await arrived(1);
    expect(datas()).toEqual([{ index: 1, text: "lo" }]);
    pipe.end();
    expect(await answer).toEqual([200, { published: 2 }]);
  });

  test("of server-sent events may name its events, and ends with [DONE] although the sender goes on", async () => {
    const { pipe, answer } = start("?event=delta", SSE);
    pipe.write(
      'data: {"a":1}\n\nevent: context_usage\ndata: {"used":7}\n\ndata: plain text\n\ndata: [DONE]\n\ndata: late\n\n',
    );
    expect(await answer).toEqual([200, { published: 3 }]);
    expect(reader.take().map(({ type, data }) => [type, data])).toEqual([
      ["delta", { a: 1 }],
      ["context_usage", { used: 7 }],
      ["delta", "plain text"],
    ]);
    expect(pipe.isCancelled).toBe(true);
  });

  test("without a body publishes nothing", async () => {
    expect(await whole("")).toEqual([200, { published: 0 }]);
  });

  test("with an id is published once, however often it is sent", async () => {
    expect(await whole("1\n2\n", "?messageId=answer-7")).toEqual([200, { published: 2 }]);
    expect(await whole("1\n2\n3\n", "?messageId=answer-7")).toEqual([200, { published: 3 }]);
    expect(reader.take().map(({ messageId, data }) => [messageId, data])).toEqual([
      ["answer-7.1", 1],
      ["answer-7.2", 2],
      ["answer-7.3", 3],
    ]);
  });

  test("with an id that says something else now ends where it differs", async () => {
    await whole("1\n2\n3\n", "?messageId=a");
    expect(await whole("1\nother\n".replace("other", '"other"'), "?messageId=a")).toMatchObject([
      409,
      { code: "MESSAGE_ID_REUSED", published: 1 },
    ]);
  });
});

describe("a stream ends, and says how far it came, when", () => {
  test.each([
    ["an item is none", "1\n2\nnonsense\n3\n", 400, "BAD_REQUEST"],
    ["an item is more than a frame can hold", `1\n2\n${"[".repeat(32)}${"]".repeat(32)}\n`, 400, "BAD_REQUEST"],
    ["the data of an item is over 16 KiB", `1\n2\n"${"x".repeat(16_384)}"\n`, 413, "MESSAGE_TOO_LARGE"],
    ["a line is over 64 KiB", `1\n2\n"${"x".repeat(65_536)}"\n`, 413, "MESSAGE_TOO_LARGE"],
  ])("%s", async (_what, text, status, code) => {
    expect(await whole(text)).toMatchObject([status, { code, published: 2 }]);
    expect(datas()).toEqual([1, 2]);
  });

  test("it is longer than it may be, whether it says so or only sends it", async () => {
    rig = new BackendRig({ maxStreamBytes: 1_000 });
    reader = rig.hub.member("reader", "answers").socket;
    const { pipe, answer } = start();
    pipe.write("1\n");
    await arrived(1);
    pipe.write(" \n".repeat(500));
    expect(await answer).toMatchObject([413, { code: "MESSAGE_TOO_LARGE", limit: 1_000, published: 1 }]);
    expect(pipe.isCancelled).toBe(true);
  });

  test("nothing comes for 30 seconds, whatever else was sent without an end", async () => {
    const { pipe, answer } = start("", SSE);
    pipe.write("data: 1\n\n");
    await arrived(1);
    rig.clock.advance(29_000);
    pipe.write(": still thinking\n");
    await rig.hub.settle();
    rig.clock.advance(29_000);
    pipe.write("data: half");
    await rig.hub.settle();
    rig.clock.advance(1_001);
    expect(await answer).toMatchObject([400, { code: "BAD_REQUEST", published: 1 }]);
    expect(pipe.isCancelled).toBe(true);
    expect(rig.clock.pendingTimers).toBe(0);
  });

  test("it has gone on for ten minutes", async () => {
    const { pipe, answer } = start();
    for (let elapsedMs = 0; elapsedMs < 600_000; elapsedMs += 20_000) {
      pipe.write("1\n");
      await arrived(1 + elapsedMs / 20_000);
      await rig.hub.settle();
      rig.clock.advance(20_000);
    }
    expect(await answer).toMatchObject([400, { code: "BAD_REQUEST", published: 30 }]);
  });

  test("its sender goes away: nothing more is published, and nothing is left behind", async () => {
    const { pipe, answer } = start();
    pipe.write("1\n2");
    await arrived(1);
    pipe.breakOff();
    expect(await answer).toMatchObject([400, { code: "BAD_REQUEST", published: 1 }]);
    expect(datas()).toEqual([1]);
    expect(rig.clock.pendingTimers).toBe(0);
  });

  test("its sender goes away while it is slowed down", async () => {
    const gone = new AbortController();
    const { pipe, answer } = start("", NDJSON, gone.signal);
    pipe.write("1\n".repeat(500));
    await arrived(200);
    gone.abort();
    rig.clock.advance(1_000);
    expect(await answer).toMatchObject([400, { published: 200 }]);
    expect(reader.pending).toBe(200);
  });
});

test("a stream that is too fast is slowed down to 200 items a second, in order, and its body is read no further", async () => {
  const { pipe, answer } = start();
  const lines = Array.from({ length: 700 }, (_, index) => `${index}\n`);
  pipe.write(lines.slice(0, 600).join(""));
  pipe.write(lines.slice(600).join(""));
  pipe.end();
  await arrived(200);
  await rig.hub.settle();
  expect(reader.pending).toBe(200);
  let seen = 200;
  const startedMs = rig.clock.monotonic();
  while (seen < 700) {
    rig.clock.advance(5);
    seen += 1;
    await arrived(seen);
    await rig.hub.settle();
    expect(reader.pending).toBe(seen);
  }
  expect(await answer).toEqual([200, { published: 700 }]);
  expect(rig.clock.monotonic() - startedMs).toBe(2_500);
  expect(datas()).toEqual(lines.map(Number));
});

test("a body of nothing but ends of lines leaves others their turn", async () => {
  let turns = 0;
  const count = (): void => {
    turns += 1;
    counting = setImmediate(count);
  };
  let counting = setImmediate(count);
  expect(await whole("\n".repeat(320 * 1_024))).toEqual([200, { published: 0 }]);
  clearImmediate(counting);
  expect(turns).toBeGreaterThanOrEqual(20);
});

test("more streams than a node may have at once are 503, until one ends", async () => {
  const running = Array.from({ length: MAX_STREAMS }, () => start());
  const { answer } = start();
  expect(await answer).toMatchObject([503, { code: "OVERLOADED", retryAfterMs: expect.any(Number) }]);
  running[0]?.pipe.end();
  await running[0]?.answer;
  expect(await whole("1\n")).toEqual([200, { published: 1 }]);
  for (const { pipe } of running.slice(1)) pipe.end();
  for (const { answer: ended } of running) expect((await ended)[0]).toBe(200);
});

test("a node that is being replaced finishes the streams that run, and begins no other", async () => {
  const { pipe, answer } = start();
  pipe.write("1\n");
  await arrived(1);
  rig.hub.hub.isDraining = true;
  expect(await whole("1\n")).toMatchObject([503, { code: "DRAINING" }]);
  pipe.write("2\n");
  pipe.end();
  expect(await answer).toEqual([200, { published: 2 }]);
});

test.each([
  "?event=",
  "?event=Token",
  "?event=new_message",
  "?messageId=",
  `?messageId=${"m".repeat(51)}`,
  "?event=a&event=b",
])("the query %s is refused", async (query) => {
  expect(await whole("1\n", query)).toMatchObject([400, { code: "BAD_REQUEST" }]);
  expect(reader.pending).toBe(0);
});
