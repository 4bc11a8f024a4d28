import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import * as v from "valibot";
import type { RawPeer } from "../support/peer.ts";
import { TestNode, token } from "../support/node.ts";

/** A game: the token in the URL beside a session and a character, one-time tickets instead of it, a route that is deprecated. */

const SESSION = "session-7f3a";
const CHARACTER = "Ser Alrik of Arkham";
const PLAYER = { sub: "player-1", username: "alrik" };

let node: TestNode;

beforeEach(async () => {
  node = await TestNode.start();
});

afterEach(() => node.stop());

async function connect(path: string): Promise<{ peer: RawPeer; frame: Record<string, unknown> }> {
  const peer = await node.upgraded({ path });
  return { peer, frame: await peer.jsonOfType("connected") };
}

async function ticket(jwt: string): Promise<string> {
  const response = await node.http("/api/ws/ticket", { method: "POST", headers: { Authorization: `Bearer ${jwt}` } });
  expect(response.status).toBe(201);
  expect(response.headers.get("cache-control")).toBe("no-store");
  const body = v.parse(v.strictObject({ ticket: v.string(), expires_in: v.literal(30) }), await response.json());
  return body.ticket;
}

describe("/api/ws", () => {
  test("takes the token in the URL, and says which session and character the connection is for", async () => {
    const { frame } = await connect(
      `/api/ws?token=${token(PLAYER)}&session_id=${SESSION}&character_id=${encodeURIComponent(CHARACTER)}`,
    );
    expect(frame).toMatchObject({
      endpoint: "/api/ws",
      user: { id: "player-1", username: "alrik" },
      sessionId: SESSION,
      characterId: CHARACTER,
    });
  });

  test("needs neither session nor character", async () => {
    const { frame } = await connect(`/api/ws?token=${token(PLAYER)}`);
    expect(Object.keys(frame)).not.toContain("sessionId");
    expect(Object.keys(frame)).not.toContain("characterId");
  });

  test("takes the token as a subprotocol too, where it is in no URL", async () => {
    const peer = await node.peer();
    const jwt = token(PLAYER);
    const answer = await peer.upgrade({ path: "/api/ws", headers: [["Sec-WebSocket-Protocol", `auth, ${jwt}`]] });
    expect(answer.status).toBe(101);
    expect(await peer.jsonOfType("connected")).toMatchObject({ user: { id: "player-1" } });
  });

  test("refuses a bad token before the upgrade", async () => {
    const answer = await (await node.peer()).upgrade({ path: `/api/ws?token=garbage&session_id=${SESSION}` });
    expect(answer.status).toBe(401);
  });

  test("leaves no query string in any log: neither token nor session", async () => {
    const jwt = token(PLAYER);
    await connect(`/api/ws?token=${jwt}&session_id=${SESSION}`);
    await (await node.peer()).upgrade({ path: `/api/ws?token=${jwt}broken&session_id=${SESSION}` });
    const written = await node.writtenAfterStop();
    expect(written).toContain("/api/ws");
    for (const secret of [jwt, jwt.split(".")[1] ?? "", SESSION, "token="]) expect(written).not.toContain(secret);
  });
});

describe("a one-time ticket", () => {
  test("opens one connection instead of the token, and a second one never", async () => {
    const once = await ticket(token(PLAYER));
    const { frame } = await connect(`/api/ws?ticket=${once}&session_id=${SESSION}`);
    expect(frame).toMatchObject({ user: { id: "player-1" }, sessionId: SESSION });
    const again = await (await node.peer()).upgrade({ path: `/api/ws?ticket=${once}` });
    expect(again.status).toBe(401);
  });

  test("is given for a good token only", async () => {
    for (const headers of [{}, { Authorization: "Bearer garbage" }]) {
      const response = await node.http("/api/ws/ticket", { method: "POST", headers });
      expect(response.status).toBe(401);
    }
  });
});

describe("the deprecated route", () => {
  test("works as the one that follows it, and says so on every answer", async () => {
    const peer = await node.peer();
    const accepted = await peer.upgrade({ path: `/api/ws/player-9?token=${token(PLAYER)}` });
    expect(accepted.status).toBe(101);
    // The player in the path is no proof of anything: the user is the token's.
    expect(await peer.jsonOfType("connected")).toMatchObject({ user: { id: "player-1" }, characterId: "player-9" });
    const refused = await (await node.peer()).upgrade({ path: "/api/ws/player-9?token=garbage" });
    expect(refused.status).toBe(401);
    for (const { headers } of [accepted, refused]) {
      expect(headers.get("deprecation")?.[0]).toMatch(/^@\d+$/);
      expect(headers.get("link")).toEqual(['</api/ws>; rel="successor-version"']);
    }
  });
});
