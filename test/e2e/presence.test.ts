import { expect, test } from "bun:test";
import { answer, inbox, typesOf } from "../support/inbox.ts";
import { TestNode } from "../support/node.ts";
import type { JsonObject, RawPeer } from "../support/peer.ts";

/** A room that grows over PRESENCE_FULL_MAX and shrinks again, as its members see it over their sockets. */

/** In one frame or, when the machine stalls for longer than a tick, in more. */
async function diffsUntil(peer: RawPeer, userCount: number): Promise<JsonObject[]> {
  const diffs: JsonObject[] = [];
  while (diffs.at(-1)?.["userCount"] !== userCount) diffs.push(await peer.jsonOfType("presence_diff"));
  return diffs;
}

test("over PRESENCE_FULL_MAX users a room is told of its changes in lists, and one by one again below three quarters", async () => {
  const node = await TestNode.start({ PRESENCE_FULL_MAX: "3", PRESENCE_GRACE_MS: "0" });
  const ada = await node.member("ada", "r");
  const bob = await node.member("bob", "r");
  const carol = await node.member("carol", "r");
  expect(typesOf(await inbox(ada, 2))).toEqual(["user_joined", "user_joined"]);

  const dan = await node.member("dan", "r");
  const eve = await node.connect("eve", { sub: 5, username: "Eve" });
  expect(await answer(eve, { type: "join_room", roomSlug: "r" })).toMatchObject({ userCount: 5 });
  for (const member of [ada, bob, carol, dan, eve]) {
    const diffs = await diffsUntil(member, 5);
    const known = diffs.flatMap(({ joined }) => joined ?? []);
    expect(known.at(-1)).toEqual({ userId: 5, username: "Eve" });
    expect(diffs.at(-1)).toMatchObject({ roomSlug: "r", timestamp: expect.any(Number) });
    expect(diffs.every(({ left }) => left === undefined)).toBe(true);
  }
  expect(await inbox(ada)).toEqual([]);

  dan.close(1000);
  await dan.ended();
  eve.destroy();
  await node.metricIs("tautline_connections", (count) => count === 3);
  carol.close(1000);
  const pending = await diffsUntil(ada, 3);
  const left = pending.flatMap((diff) => diff.left ?? []);
  expect(left).toHaveLength(2);
  expect(left).toContainEqual({ userId: "dan", username: "dan" });
  expect(left).toContainEqual({ userId: 5, username: "Eve" });
  expect(await ada.jsonOfType("user_left")).toMatchObject({ data: { userId: "carol", roomSlug: "r" } });
  await node.stop();
});
