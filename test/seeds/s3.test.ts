import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { errorContext, errorFrame } from "../../src/hub/errors.ts";
import { ProtocolError } from "../../src/protocol/codes.ts";
import { TestNode, token } from "../support/node.ts";
import { oneNode } from "../support/one-node.ts";
import { client, type Frame, Page } from "./page.ts";
import { differences } from "./shown.ts";

/** A client that authenticates by its first frame, joins rooms, chats, and reconnects by itself. */

const AT = 1729238400000;
const ROOM = "general-chat";
const MESSAGE_ID = "msg_1729238400_123";
const SHOWN = {
  auth_success: {
    type: "auth_success",
    message: "Authentication successful",
    user: { id: 123, username: "johndoe", name: "John Doe" },
    timestamp: AT,
  },
  auth_error: { type: "auth_error", message: "Authentication failed", timestamp: AT },
  room_joined: {
    type: "room_joined",
    roomSlug: ROOM,
    message: "Joined room general-chat",
    userCount: 15,
    timestamp: AT,
  },
  user_joined: {
    type: "user_joined",
    data: { userId: 123, username: "johndoe", roomSlug: ROOM },
    roomSlug: ROOM,
    timestamp: AT,
  },
  room_left: { type: "room_left", roomSlug: ROOM, timestamp: AT },
  user_left: { type: "user_left", data: { userId: 123, username: "johndoe", roomSlug: ROOM }, timestamp: AT },
  message_sent: { type: "message_sent", messageId: MESSAGE_ID, timestamp: AT, roomSlug: ROOM },
  new_message: {
    type: "new_message",
    data: {
      id: 456,
      slug: MESSAGE_ID,
      chatRoomSlug: ROOM,
      userSlug: "123",
      username: "johndoe",
      messageType: "TEXT",
      message: "Hello everyone!",
      createdAt: "2025-10-18T08:40:00Z",
    },
    roomSlug: ROOM,
    timestamp: AT,
  },
  error: { type: "error", message: "Not authenticated", timestamp: AT },
  failed: { type: "error", message: "Failed to send message", messageId: MESSAGE_ID, timestamp: AT },
} as const;

const JOHN = { sub: 123, username: "johndoe", name: "John Doe" };
const HOST = "ws://localhost:5000";

let node: TestNode;
const pages: Page[] = [];

beforeAll(async () => {
  node = await TestNode.start();
});

afterEach(async () => {
  await Promise.all(pages.splice(0).map((opened) => opened.leave()));
});

afterAll(async () => {
  await node.stop();
});

function page(globals: Readonly<Record<string, unknown>> = {}): Page {
  const opened = new Page(globals);
  pages.push(opened);
  return opened;
}

function address(path = ""): string {
  return `ws://127.0.0.1:${node.port}${path}`;
}

/** Connected by the client's own code and not authenticated yet. */
async function connected(): Promise<Page> {
  const visitor = page();
  visitor.enter(client("s3-connect", { [HOST]: address() }));
  await visitor.until("the connection", () => (visitor.logged.length > 0 ? true : undefined));
  return visitor;
}

function authenticate(visitor: Page, jwt: string): void {
  visitor.enter(client("s3-authenticate", { "your-jwt-access-token": jwt }));
}

async function authenticated(claims: Readonly<Record<string, unknown>>): Promise<Page> {
  const visitor = await connected();
  authenticate(visitor, token(claims));
  await visitor.frame("auth_success");
  return visitor;
}

async function member(claims: Readonly<Record<string, unknown>>): Promise<Page> {
  const visitor = await authenticated(claims);
  visitor.enter(client("s3-join-room", {}));
  await visitor.frame("room_joined");
  return visitor;
}

function expectShown(frame: Frame, shown: object, values: object): void {
  expect(differences(shown, frame)).toEqual([]);
  expect(frame).toMatchObject(values);
  expect(Math.abs(Number(frame["timestamp"]) - Date.now())).toBeLessThan(60_000);
}

describe("authentication by the first frame", () => {
  test("sends nothing before it, then auth_success with the user, whose numeric id stays a number", async () => {
    const visitor = await connected();
    expect(visitor.logged).toEqual([["WebSocket connected"]]);
    authenticate(visitor, token(JOHN));
    const frame = await visitor.frame("auth_success");
    const { message, user } = SHOWN.auth_success;
    expectShown(frame, SHOWN.auth_success, { message, user });
    expect(frame).toMatchObject({ heartbeat: { intervalMs: 30_000, timeoutMs: 90_000 } });
  });

  test("answers auth_error to a bad token, and closes", async () => {
    const visitor = await connected();
    authenticate(visitor, "garbage");
    expectShown(await visitor.frame("auth_error"), SHOWN.auth_error, { message: "Authentication failed" });
    expect(await visitor.until("the close", () => visitor.closes[0])).toBe(4001);
  });

  test("rejects inactive users", async () => {
    const visitor = await connected();
    authenticate(visitor, token({ ...JOHN, isActive: false }));
    expectShown(await visitor.frame("auth_error"), SHOWN.auth_error, { message: "Authentication failed" });
    expect(await visitor.until("the close", () => visitor.closes[0])).toBe(4003);
  });

  test("answers everything before it with the error for it, and goes on", async () => {
    const visitor = await connected();
    visitor.enter(client("s3-join-room", {}));
    expectShown(await visitor.frame("error"), SHOWN.error, { message: "Not authenticated" });
    authenticate(visitor, token(JOHN));
    await visitor.frame("auth_success");
  });
});

describe("rooms", () => {
  let jane: Page;

  beforeEach(async () => {
    jane = await member({ sub: 7, username: "jane" });
  });

  test("a joiner learns how many users there are, the others learn who came", async () => {
    const john = await authenticated(JOHN);
    john.enter(client("s3-join-room", {}));
    const { message } = SHOWN.room_joined;
    expectShown(await john.frame("room_joined"), SHOWN.room_joined, { roomSlug: ROOM, message, userCount: 2 });
    const { data } = SHOWN.user_joined;
    expectShown(await jane.frame("user_joined"), SHOWN.user_joined, { roomSlug: ROOM, data });
  });

  test("who leaves is told so, and the others learn who went", async () => {
    const john = await member(JOHN);
    john.enter(client("s3-leave-room", {}));
    expectShown(await john.frame("room_left"), SHOWN.room_left, { roomSlug: ROOM });
    expectShown(await jane.frame("user_left"), SHOWN.user_left, { data: SHOWN.user_left.data });
  });

  test("a message is confirmed to its sender and goes to all members, the sender included", async () => {
    const john = await member(JOHN);
    const before = Date.now();
    john.enter(client("s3-chat-message", {}));
    const [own, others] = await Promise.all([john.frame("new_message"), jane.frame("new_message")]);
    expect(own).toEqual(others);
    const { id: _id, createdAt: _createdAt, ...data } = SHOWN.new_message.data;
    expectShown(others, SHOWN.new_message, { roomSlug: ROOM, data });
    const createdAt = String(Object(others["data"]).createdAt);
    expect(createdAt).toEndWith("Z");
    expect(Date.parse(createdAt)).toBeGreaterThanOrEqual(before);
    expect(Date.parse(createdAt)).toBe(Number(others["timestamp"]));
  });

  test("the confirmation names the message by the sender's own id", async () => {
    const john = await member(JOHN);
    john.enter(client("s3-chat-message", {}));
    expectShown(await john.frame("message_sent"), SHOWN.message_sent, { messageId: MESSAGE_ID, roomSlug: ROOM });
  });
});

describe("errors", () => {
  test("a frame that is no message has the text for it", async () => {
    const john = await authenticated(JOHN);
    john.enter("ws.send('hello')");
    expectShown(await john.frame("error"), SHOWN.error, { message: "Invalid message format" });
  });

  test("a message that was not taken is named in its error", () => {
    const frame = errorFrame(new ProtocolError("PUBLISH_FAILED"), errorContext({ messageId: MESSAGE_ID }), Date.now());
    expectShown({ ...frame }, SHOWN.failed, { message: "Failed to send message", messageId: MESSAGE_ID });
  });
});

describe("the heartbeat", () => {
  const FAST = { PING_INTERVAL_MS: "100", PONG_TIMEOUT_MS: "1000" };
  let fast: TestNode;

  beforeEach(async () => {
    fast = await TestNode.start(FAST);
  });

  afterEach(async () => {
    await fast.stop();
  });

  test("is a native ping, which a WebSocket library answers by itself", async () => {
    const peer = await fast.connect("u1");
    await peer.until("pings for longer than the timeout", () => (peer.receivedPings >= 15 ? true : undefined));
    expect(peer.isEnded).toBe(false);
  });

  test("as frames, it is answered by the client's own handler, and ends who does not answer", async () => {
    const url = `ws://127.0.0.1:${fast.port}/?heartbeat=message`;
    const [answering, silent] = ["u1", "u2"].map((sub) => {
      const visitor = page({ url, auth: JSON.stringify({ type: "auth", token: token({ sub }) }) });
      visitor.enter("const ws = new WebSocket(url); ws.onopen = () => ws.send(auth)");
      return visitor;
    });
    if (answering === undefined || silent === undefined) throw new Error("two pages");
    answering.enter(client("s3-manual-pong", {}));
    expect(await silent.until("the close", () => silent.closes[0])).toBe(4090);
    for (let pings = 0; pings < 15; pings += 1) await answering.frame("ping");
    expect(answering.closes).toEqual([]);
  });
});

describe("the client that reconnects", () => {
  function start(jwt: string, port = node.port): Page {
    const visitor = page({ jwtToken: jwt });
    visitor.enter(client("s3-reconnecting-client", { [HOST]: `ws://127.0.0.1:${port}` }));
    return visitor;
  }

  test("authenticates by itself and hands every frame to its handler", async () => {
    const visitor = start(token(JOHN));
    const frame = await visitor.frame("auth_success");
    await visitor.until("the log", () => (visitor.logged.length >= 2 ? true : undefined));
    expect(visitor.logged).toEqual([["Connected"], ["Received:", frame]]);
  });

  test("is back as the same user after the server ended it", async () => {
    // A user of its own: what it has used up of its rate is missing in no other test.
    const user = { id: 124, username: "flooder", name: "Flooder" };
    const visitor = start(token({ ...user, sub: user.id }));
    await visitor.frame("auth_success");
    visitor.enter("for (let i = 0; i < 200; i += 1) wsClient.send({ type: 'ping' })");
    expect(await visitor.until("the close", () => visitor.closes[0])).toBe(4029);
    const pause = await visitor.timer();
    expect(pause.delayMs).toBe(1_000);
    pause.callback();
    expectShown(await visitor.frame("auth_success"), SHOWN.auth_success, { user });
    expect(visitor.opened).toBe(2);
  });

  oneNode("drain")("waits longer each time that a node which is being replaced refuses it", async () => {
    const leaving = await TestNode.start();
    const visitor = start(token(JOHN), leaving.port);
    await visitor.frame("auth_success");
    await leaving.drain();
    await visitor.frame("server_draining");
    const first = await visitor.timer();
    first.callback();
    const second = await visitor.timer();
    expect([first.delayMs, second.delayMs]).toEqual([1_000, 2_000]);
    expect(visitor.opened).toBe(1);
    await leaving.stop();
  });
});

test("the console steps, entered one after the other, end with the room's messages in the console", async () => {
  const visitor = page();
  const code = client("s3-console", { [HOST]: address(), "your-jwt-token": token(JOHN) });
  const steps = code.split(/^(?=\/\/ \d\. )/m);
  expect(steps).toHaveLength(5);
  const [connect = "", onOpen = "", join = "", send = "", listen = ""] = steps;
  visitor.enter(connect);
  visitor.enter(onOpen);
  expectShown(await visitor.frame("auth_success"), SHOWN.auth_success, { user: SHOWN.auth_success.user });
  visitor.enter(join);
  const message = "Joined room test-room";
  expectShown(await visitor.frame("room_joined"), SHOWN.room_joined, { roomSlug: "test-room", message, userCount: 1 });
  visitor.enter(send);
  const data = { chatRoomSlug: "test-room", userSlug: "123", username: "johndoe", message: "Hello world!" };
  expectShown(await visitor.frame("new_message"), SHOWN.new_message, { roomSlug: "test-room", data });
  visitor.enter(listen);
  visitor.enter(send);
  const received = await visitor.until("the log of a message", () =>
    visitor.logged.find(([, frame]) => Object(frame).type === "new_message"),
  );
  expect(received).toMatchObject(["Received:", { type: "new_message", roomSlug: "test-room", data }]);
});
