import { afterEach, expect, test } from "bun:test";
import { TestNode, token } from "../support/node.ts";
import { oneNode } from "../support/one-node.ts";

/** Whoever is not let in is counted and audited once, whichever way the endpoint refuses. */

let node: TestNode;
afterEach(() => node.stop());

const join = JSON.stringify({ type: "join_room", roomSlug: "r" });

oneNode("limits")(
  "a full user is named in the audit, by the same event on both endpoints, and is no failed authentication",
  async () => {
    node = await TestNode.start({ MAX_CONNECTIONS_PER_USER: "1" });
    await node.connect("ada");
    const byStatus = await node.peer();
    const { status } = await byStatus.upgrade({ path: `/ws?token=${token({ sub: "ada" })}` });
    expect(status).toBe(429);
    const byFrame = await node.upgraded({ path: "/" });
    byFrame.send({ type: "auth", token: token({ sub: "ada" }) });
    expect((await byFrame.closed()).code).toBe(4008);
    const atUpgrade = await node.upgraded({ path: `/?token=${token({ sub: "ada" })}` });
    expect((await atUpgrade.closed()).code).toBe(4008);

    const metrics = await node.metrics();
    expect(metrics.get('tautline_errors_total{code="CONNECTION_LIMIT"}')).toBe(3);
    expect(metrics.get('tautline_authentications_total{result="refused",code="CONNECTION_LIMIT"}')).toBe(0);
    expect(metrics.get('tautline_closes_total{code="4008"}')).toBe(2);
    const refused = (await node.auditAfterStop()).filter(({ code }) => code === "CONNECTION_LIMIT");
    expect(refused.map(({ event, userId }) => [event, userId])).toEqual([
      ["connection.refused", "ada"],
      ["connection.refused", "ada"],
      ["connection.refused", "ada"],
    ]);
  },
);

test.each([
  ["the tenth frame that is not auth", "AUTH_REQUIRED", 4001, Array.from({ length: 10 }, () => '{"type":"ping"}')],
  ["a frame over 8 KiB", "MESSAGE_TOO_LARGE", 1009, [`{"type":"auth","token":"${"x".repeat(9_000)}"}`]],
])("%s before authentication is audited and counted", async (_what, code, close, frames) => {
  node = await TestNode.start();
  const peer = await node.upgraded({ path: "/" });
  for (const frame of frames) peer.text(frame);
  expect((await peer.closed()).code).toBe(close);
  expect((await node.metrics()).get(`tautline_closes_total{code="${close}"}`)).toBe(1);
  const records = (await node.auditAfterStop()).filter((record) => record["code"] === code);
  expect(records).toHaveLength(1);
  expect(records[0]).toMatchObject({ result: "refused", connectionId: expect.any(String), address: "127.0.0.1" });
});

test("a malformed handshake leaves an access line, an audit record and a count", async () => {
  node = await TestNode.start();
  const peer = await node.peer();
  const { status } = await peer.upgrade({ path: "/ws", key: "abc", headers: [["User-Agent", "probe/1"]] });
  expect(status).toBe(400);
  expect((await node.metrics()).get('tautline_handshakes_total{result="refused",code="BAD_REQUEST"}')).toBe(1);
  const written = await node.writtenAfterStop();
  expect(written.split("\n").filter((line) => line.includes("probe/1"))).toHaveLength(2);
});

test("HTTP errors are counted by code", async () => {
  node = await TestNode.start();
  await node.http("/nowhere");
  expect((await node.metrics()).get('tautline_errors_total{code="NOT_FOUND"}')).toBe(1);
});

test("a denied presence request is audited with its topic, on its connection", async () => {
  node = await TestNode.start();
  const ada = await node.connect("ada");
  for (const topic of ["followers:z", "followers:y"]) {
    ada.send({ type: "presence", topic });
    expect(await ada.jsonOfType("error")).toMatchObject({ code: "FORBIDDEN" });
  }
  const denied = (await node.auditAfterStop()).filter(({ event }) => event === "access.denied");
  expect(denied).toMatchObject([
    { topic: "followers:z", userId: "ada", connectionId: expect.any(String) },
    { topic: "followers:y", userId: "ada", connectionId: expect.any(String) },
  ]);
});

test("bad tokens that name a user cost that user nothing", async () => {
  node = await TestNode.start({
    AUTH_FAILURES_PER_MINUTE: "1000000",
    HANDSHAKE_BURST: "1000",
    MAX_CONNECTIONS_PER_USER: "2",
  });
  const forged = token({ sub: "alice" }, "another-secret-of-more-than-32-bytes!");
  for (let n = 0; n < 100; n += 1) {
    const peer = await node.peer();
    expect((await peer.upgrade({ path: `/ws?token=${forged}` })).status).toBe(401);
  }
  const first = await node.connect("alice");
  await node.connect("alice");
  first.text(join);
  expect(await first.jsonOfType("room_joined")).toMatchObject({ userCount: 1 });
});
