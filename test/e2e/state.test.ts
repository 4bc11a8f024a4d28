import { afterEach, expect } from "bun:test";
import { TestNode, token } from "../support/node.ts";
import { oneNode } from "../support/one-node.ts";

/** What a node remembers, as it tells it on /metrics. */

const API_KEY = "the-key-of-the-state";

let node: TestNode;
afterEach(() => node.stop());

async function entries(): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const [series, value] of await node.metrics()) {
    const [, kind] = /^tautline_state_entries\{kind="([a-z_]+)"\}$/.exec(series) ?? [];
    if (kind !== undefined && value > 0) counts[kind] = value;
  }
  return counts;
}

function order(method: string, path: string, body: object): Promise<Response> {
  const headers = { "X-API-Key": API_KEY, "Content-Type": "application/json" };
  return node.http(path, { method, headers, body: JSON.stringify(body) });
}

oneNode("numbers")(
  "a node that nobody has come to remembers nothing",
  async () => {
    node = await TestNode.start();
    // The scrape itself came from somewhere.
    expect(await entries()).toEqual({ peer_addresses: 1 });
  },
  60_000,
);

oneNode("numbers")(
  "each thing that a node remembers counts under its own kind",
  async () => {
    node = await TestNode.start({ API_KEY, ACCOUNTS: "on", PRESENCE_GRACE_MS: "600000", AUTH_DEADLINE_MS: "600000" });
    let epoch: unknown = null;
    const ada = await node.member("ada", "r");
    for (const messageId of ["m1", "m2"]) {
      ada.send({ type: "chat_message", roomSlug: "r", message: "hello", messageId });
      ({ epoch } = await ada.jsonOfType("message_sent"));
    }
    const broken = await node.member("bob", "r");
    broken.destroy();
    await node.metricIs("tautline_connections", (count) => count === 1);
    await node.upgraded({ path: "/" });
    const stranger = await node.peer();
    await stranger.upgrade({ path: `/ws?token=${token({ sub: "eve" }, "another-secret-of-more-than-32-bytes")}` });
    await order("POST", "/api/tokens/revoke", { jti: "t1" });
    await order("POST", "/api/tokens/revoke", { jti: "t2" });
    for (const user of ["u1", "u2", "u3", "u4"]) await order("PUT", `/api/users/${user}/permissions`, { roles: [] });
    await node.http("/api/login", {
      ...{ method: "POST", headers: { "Content-Type": "application/json" } },
      body: JSON.stringify({ username: "nobody", password: "correct horse" }),
    });
    ada.send({ type: "join_room", roomSlug: "r", recover: { offset: 0, epoch } });
    await ada.jsonOfType("room_joined");

    for (let tickets = 0; tickets < 3; tickets += 1) {
      await node.http("/api/ws/ticket", {
        method: "POST",
        headers: { Authorization: `Bearer ${token({ sub: "ada" })}` },
      });
    }

    const { verified_tokens: verified = 0, ...all } = await entries();
    expect(verified).toBeGreaterThanOrEqual(2);
    // These are over within seconds, and a busy machine takes longer for the test.
    const { encoded_answers: answers = 1, resting_users: resting = 1, handshake_limits: handshakes = 1, ...more } = all;
    const { login_limits: logins = 1, ...rest } = more;
    expect({ answers, resting, handshakes }).toEqual({ answers: 1, resting: 1, handshakes: 1 });
    // The address, and the name.
    expect([1, 2]).toContain(logins);
    expect(rest).toEqual({
      ...{ held_members: 1, pending_connections: 1, peer_addresses: 1, topic_positions: 1, topic_histories: 1 },
      ...{ message_ids: 2, failed_authentications: 1, tickets: 3, revocations: 2, changed_permissions: 4 },
    });
  },
  60_000,
);
