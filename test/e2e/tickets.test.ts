import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { TestNode, token } from "../support/node.ts";
import { oneNode } from "../support/one-node.ts";

/** One-time tickets against a running node. */

let node: TestNode;

beforeEach(async () => {
  node = await TestNode.start();
});
afterEach(() => node.stop());

async function ticketFor(claims: Record<string, unknown> = {}): Promise<string> {
  const headers = { Authorization: `Bearer ${token(claims)}` };
  const response = await node.http("/api/ws/ticket", { method: "POST", headers });
  expect([response.status, response.headers.get("cache-control")]).toEqual([201, "no-store"]);
  const { ticket } = (await response.json()) as { ticket: string };
  return ticket;
}

async function statusWith(ticket: string, path = "/ws"): Promise<number> {
  const peer = await node.peer();
  return (await peer.upgrade({ path: `${path}?ticket=${ticket}` })).status;
}

describe("a ticket", () => {
  test("opens a connection with all that its token says, and only one", async () => {
    const exp = Math.floor(Date.now() / 1_000) + 900;
    const ticket = await ticketFor({ sub: 7, username: "ada", roles: ["x", "y"], permissions: ["p"], exp });
    const ada = await node.upgraded({ path: `/ws?ticket=${ticket}` });
    expect(await ada.jsonOfType("connected")).toMatchObject({
      user: { id: 7, username: "ada", roles: ["x", "y"], permissions: ["p"] },
      expiresAt: exp * 1_000,
    });
    expect(await statusWith(ticket)).toBe(401);
  });

  test("is good for one of fifty handshakes at once", async () => {
    const ticket = await ticketFor();
    const statuses = await Promise.all(Array.from({ length: 50 }, () => statusWith(ticket)));
    expect(statuses.filter((status) => status === 101)).toHaveLength(1);
  });

  test("works on / too: the greeting comes at once, and a used one is refused there by frame and close", async () => {
    const ticket = await ticketFor({ sub: "ada" });
    const ada = await node.upgraded({ path: `/?ticket=${ticket}` });
    expect(await ada.jsonOfType("auth_success")).toMatchObject({ user: { id: "ada" } });
    const again = await node.upgraded({ path: `/?ticket=${ticket}` });
    expect(await again.jsonOfType("auth_error")).toMatchObject({ code: "AUTH_FAILED" });
    expect((await again.closed()).code).toBe(4001);
  });

  test("beside a token is ambiguous, and is not spent by that", async () => {
    const ticket = await ticketFor();
    const peer = await node.peer();
    expect((await peer.upgrade({ path: `/ws?ticket=${ticket}&token=${token()}` })).status).toBe(400);
    expect(await statusWith(ticket)).toBe(101);
  });

  oneNode("limits")("that was used or never given out counts as a failed authentication of the address", async () => {
    await node.stop();
    node = await TestNode.start({ AUTH_FAILURES_PER_MINUTE: "2" });
    const used = await ticketFor();
    expect([await statusWith(used), await statusWith(used), await statusWith("x".repeat(43))]).toEqual([101, 401, 401]);
    expect(await statusWith(await ticketFor())).toBe(429);
  });

  test("is in no log line and no audit record, and neither is the token", async () => {
    await node.stop();
    node = await TestNode.start({ LOG_LEVEL: "trace" });
    const ticket = await ticketFor({ sub: "ada" });
    expect([await statusWith(ticket), await statusWith(ticket)]).toEqual([101, 401]);
    const written = await node.writtenAfterStop();
    expect(written).toContain('"userId":"ada"');
    expect(written.includes(ticket.slice(0, 20)) || written.includes(ticket.slice(-20))).toBe(false);
  });
});
