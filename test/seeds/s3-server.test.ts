import { afterAll, beforeAll, expect, test } from "bun:test";
import { createContext, runInContext } from "node:vm";
import { Embedded } from "../support/embedded.ts";
import { inbox } from "../support/inbox.ts";
import { SECRET, token } from "../support/node.ts";
import { client } from "./page.ts";
import { differences } from "./shown.ts";

/** An application that broadcasts from its own process: its three calls run as they stand, with our server as `socketService`. */

const SHOWN = {
  type: "user_post_created",
  data: { postId: 789, content: "Just posted something new!" },
  timestamp: 1729238400000,
};
const STATS = { totalConnections: 42, totalRooms: 8, rooms: [{ slug: "general-chat", userCount: 15 }] };
const ALICE = 42;

let application: Embedded;

beforeAll(async () => {
  application = await Embedded.start({ jwtSecret: SECRET });
});

afterAll(() => application.stop());

/** Runs a call of the document, and gives what it declared. */
function run(name: string, userId: number, declared = "undefined"): unknown {
  const context = createContext({ socketService: application.server, userId });
  runInContext(client(name, {}), context);
  return runInContext(declared, context);
}

test("broadcastToFollowers reaches those who follow the user, with the frame of the document", async () => {
  const follower = await application.connect(token({ sub: 1, follows: [ALICE] }));
  const other = await application.connect(token({ sub: 2 }));
  run("s3-server-followers", ALICE);
  const frame = await follower.json();
  expect(differences(SHOWN, frame)).toEqual([]);
  expect(frame).toMatchObject({ type: SHOWN.type, data: SHOWN.data, topic: `followers:${ALICE}` });
  expect(Object.keys(frame)).not.toContain("from");
  expect(await inbox(other)).toEqual([]);
  follower.close();
  other.close();
  await Promise.all([follower.ended(), other.ended()]);
});

test("sendToUser reaches every connection of the user and nobody else", async () => {
  const jwt = token({ sub: ALICE });
  const mine = [await application.connect(jwt), await application.connect(jwt)];
  const other = await application.connect(token({ sub: 2 }));
  run("s3-server-user", ALICE);
  for (const peer of mine) {
    expect(await peer.json()).toMatchObject({
      type: "notification",
      data: { title: "New follower", message: "Alice started following you" },
      timestamp: expect.any(Number),
    });
  }
  expect(await inbox(other)).toEqual([]);
  for (const peer of [...mine, other]) peer.close();
  await Promise.all([...mine, other].map((peer) => peer.ended()));
});

test("getStats returns what is shown, and nothing else", async () => {
  const peers = [await application.connect(token({ sub: 1 })), await application.connect(token({ sub: 2 }))];
  for (const peer of peers) peer.send({ type: "join_room", roomSlug: "general-chat" });
  peers[0]?.send({ type: "join_room", roomSlug: "tango-tips" });
  for (const peer of peers) await inbox(peer);
  const stats = run("s3-server-stats", 0, "stats");
  expect(stats).toEqual({
    totalConnections: 2,
    totalRooms: 2,
    rooms: [
      { slug: "general-chat", userCount: 2 },
      { slug: "tango-tips", userCount: 1 },
    ],
  });
  expect(differences(STATS, stats)).toEqual([]);
});
