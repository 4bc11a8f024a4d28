import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { BackendRig } from "./backend-rig.ts";

let rig: BackendRig;

beforeEach(() => {
  rig = new BackendRig();
});

afterEach(() => {
  rig[Symbol.dispose]();
});

describe("GET /api/topics", () => {
  test("lists the topics page by page", async () => {
    for (const slug of ["a", "b", "c"]) rig.hub.member("ada", slug);
    const [status, first] = await rig.call("/api/topics?limit=2");
    expect(status).toBe(200);
    expect(first).toEqual({
      items: [
        { topic: "room:a", members: 1, users: 1 },
        { topic: "room:b", members: 1, users: 1 },
      ],
      next: expect.any(String),
    });
    const [, second] = await rig.call(`/api/topics?limit=2&cursor=${String(Reflect.get(Object(first), "next"))}`);
    expect(second).toEqual({ items: [{ topic: "room:c", members: 1, users: 1 }] });
  });

  test("has 100 items a page unless asked for others, and 1,000 at most", async () => {
    const many = new BackendRig();
    const { hub } = many.hub;
    const { connection } = many.hub.connect("ada");
    for (let index = 0; index < 1_001; index += 1) hub.rooms.join(connection, hub.rooms.open(`room:${index}`));
    const lengthOf = async (query: string): Promise<unknown> => {
      const [, body] = await many.call(`/api/topics${query}`);
      return Reflect.get(Object(Reflect.get(Object(body), "items")), "length");
    };
    expect([await lengthOf(""), await lengthOf("?limit=1000"), await lengthOf("?limit=5000")]).toEqual([
      100, 1_000, 1_000,
    ]);
  });

  test.each(["limit=0", "limit=-1", "limit=x", "limit=1.5", "limit=1&limit=2", "cursor=", "cursor=a.b", "cursor=abc"])(
    "%s is refused",
    async (query) => {
      expect(await rig.call(`/api/topics?${query}`)).toMatchObject([400, { code: "BAD_REQUEST" }]);
    },
  );
});

describe("a topic in the path", () => {
  test.each(["room:a/b", "room:a%b", "room:50%25", "room:a+b|c=d,e~f@g", "room:a/history", "room:../x"])(
    "%s is percent-encoded once",
    async (topic) => {
      rig.hub.member("ada", topic.slice("room:".length));
      const answer = await rig.call(`/api/topics/${encodeURIComponent(topic)}/presence`);
      expect(answer).toEqual([200, { items: [{ userId: "ada", username: "ada" }], userCount: 1 }]);
    },
  );

  test.each(["room%3Aa%20b", "room", "Room%3Aa", "%ff", "room%253Aa"])("%s is none", async (topic) => {
    expect(await rig.call(`/api/topics/${topic}/presence`)).toMatchObject([400, { code: "BAD_REQUEST" }]);
  });
});

test("the presence of a topic that announces nobody is 404", async () => {
  expect(await rig.call("/api/topics/system:status/presence")).toMatchObject([404, { code: "NOT_FOUND" }]);
});

describe("GET /api/topics/{topic}/history", () => {
  test("has the newest messages as they went out, or those after a position", async () => {
    const { socket } = rig.hub.member("ada", "lobby");
    for (const n of [1, 2, 3]) await rig.call("/api/publish", { topic: "room:lobby", event: "e", data: n });
    const sent = socket.take();
    const { epoch } = Object(sent[0]);
    const history = "/api/topics/room:lobby/history";
    expect(await rig.call(`${history}?limit=2`)).toEqual([200, { items: sent.slice(1), offset: 3, epoch }]);
    const since = `since_offset=1&since_epoch=${String(epoch)}`;
    expect(await rig.call(`${history}?${since}&limit=1`)).toEqual([
      200,
      { items: [sent[1]], offset: 3, epoch, recovered: true },
    ]);
    expect(await rig.call(`${history}?since_offset=1&since_epoch=other`)).toEqual([
      200,
      { items: [], offset: 3, epoch, recovered: false },
    ]);
  });

  test("is empty for a topic of which nothing was heard, also that of a user", async () => {
    for (const topic of ["room:quiet", "user:u1"]) {
      expect(await rig.call(`/api/topics/${topic}/history`)).toMatchObject([200, { items: [], offset: 0 }]);
    }
  });

  test("is 404 where none is kept", async () => {
    expect(await rig.call("/api/topics/system:status/history")).toMatchObject([404, { code: "NOT_FOUND" }]);
  });

  test.each(["since_offset=1", "since_epoch=a", "since_offset=-1&since_epoch=a", "since_offset=1&since_epoch=%22"])(
    "with %s is refused",
    async (query) => {
      expect(await rig.call(`/api/topics/room:a/history?${query}`)).toMatchObject([400, { code: "BAD_REQUEST" }]);
    },
  );
});

describe("GET /api/connections", () => {
  test("lists the connections of a user", async () => {
    const { connection } = rig.hub.connect("u1");
    expect(await rig.call("/api/connections?user=u1")).toMatchObject([
      200,
      { items: [{ id: connection.id, endpoint: "/ws", address: "192.0.2.1", framing: "json", topics: 0 }] },
    ]);
    expect(await rig.call("/api/connections?user=nobody")).toEqual([200, { items: [] }]);
  });

  test.each(["", "?user=", "?user=a%20b"])("with %j is refused", async (query) => {
    expect(await rig.call(`/api/connections${query}`)).toMatchObject([400, { code: "BAD_REQUEST" }]);
  });
});
