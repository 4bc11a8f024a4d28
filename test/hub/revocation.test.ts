import { describe, expect, test } from "bun:test";
import type { RevocationKind } from "../../src/broker/broker.ts";
import { MemoryRevocations } from "../../src/broker/memory-revocations.ts";
import { revoke } from "../../src/hub/revocation.ts";
import type { Principal } from "../../src/protocol/principal.ts";
import { claims, NOW_S, outcome, signed } from "../auth/tokens.ts";
import { BACKEND } from "../support/actor.ts";
import { FakeClock } from "../support/clock.ts";
import { HubRig, type KeptSocket, passing } from "../support/hub.ts";

const DAY_MS = 86_400_000;
const NOW_MS = NOW_S * 1_000;

function order(kind: RevocationKind, value: string, when: { issuedBeforeMs?: number; expiresAtMs?: number } = {}) {
  return { kind, value, issuedBeforeMs: null, expiresAtMs: null, ...when };
}

function issued(fields: Partial<Principal>): Partial<Principal> {
  return { issuedAtMs: NOW_MS - 60_000, expiresAtMs: NOW_MS + 600_000, ...fields };
}

const codes = (sockets: readonly KeptSocket[]) => sockets.map((socket) => socket.closed?.code ?? null);

describe("revoking", () => {
  test("a user closes all of its connections 4003 at once, and nobody else's", () => {
    const rig = new HubRig();
    const ada = [1, 2, 3].map(() => rig.connect("ada", undefined, issued({})).socket);
    const bob = rig.connect("bob", undefined, issued({})).socket;
    expect(revoke(rig.hub, order("sub", "ada"), BACKEND)).toEqual({ closed: 3 });
    expect(ada.map((socket) => socket.closed)).toEqual(ada.map(() => ({ code: 4003, reason: "REVOKED" })));
    expect(bob.closed).toBeNull();
    expect(rig.hub.users.get("ada")?.connections).toEqual([]);
  });

  test("a user leaves the connection alone whose token was issued in a later second", () => {
    const rig = new HubRig();
    const before = rig.connect("ada", undefined, issued({ issuedAtMs: NOW_MS })).socket;
    const unknown = rig.connect("ada", undefined, issued({ issuedAtMs: null })).socket;
    const after = rig.connect("ada", undefined, issued({ issuedAtMs: NOW_MS + 1_000 })).socket;
    expect(revoke(rig.hub, order("sub", "ada"), BACKEND)).toEqual({ closed: 2 });
    expect(codes([before, unknown, after])).toEqual([4003, 4003, null]);
  });

  test("a session or one token closes what came with it, whoever the user is", () => {
    const rig = new HubRig();
    const first = rig.connect("ada", undefined, issued({ sid: "s1", jti: "j1" })).socket;
    const second = rig.connect("ada", undefined, issued({ sid: "s1", jti: "j2" })).socket;
    const other = rig.connect("ada", undefined, issued({ sid: "s2", jti: "j3" })).socket;
    expect(revoke(rig.hub, order("jti", "j2"), BACKEND)).toEqual({ closed: 1 });
    expect(codes([first, second, other])).toEqual([null, 4003, null]);
    expect(revoke(rig.hub, order("sid", "s1"), BACKEND)).toEqual({ closed: 1 });
    expect(codes([first, second, other])).toEqual([4003, 4003, null]);
  });

  test("up to a moment of the past closes what was issued by then", () => {
    const rig = new HubRig();
    const old = rig.connect("ada", undefined, issued({ issuedAtMs: NOW_MS - 60_000 })).socket;
    const young = rig.connect("ada", undefined, issued({ issuedAtMs: NOW_MS - 10_000 })).socket;
    void revoke(rig.hub, order("sub", "ada", { issuedBeforeMs: NOW_MS - 30_000 }), BACKEND);
    expect(codes([old, young])).toEqual([4003, null]);
  });

  test("is told to the rooms at once, without the grace of a lost connection", () => {
    const rig = new HubRig();
    const ada = rig.member("ada", "r");
    const bob = rig.member("bob", "r");
    bob.socket.take();
    void revoke(rig.hub, order("sub", "ada"), BACKEND);
    expect(ada.socket.closed?.code).toBe(4003);
    expect(bob.socket.take()).toMatchObject([{ type: "user_left", data: { userId: "ada" } }]);
  });

  test("is audited as high with who ordered it, what kind, how many connections, and no id of the token", () => {
    const rig = new HubRig();
    rig.connect("ada", undefined, issued({ jti: "the-jti" }));
    void revoke(rig.hub, order("jti", "the-jti"), BACKEND);
    const records = rig.audit.filter(({ event }) => event === "token.revoked");
    expect(records).toEqual([
      {
        event: "token.revoked",
        userId: null,
        address: "198.51.100.7",
        userAgent: "backend/1",
        result: "ok",
        code: "OK",
        about: { by: "key", kind: "jti", connections: 1, ofUser: "ada" },
      },
    ]);
  });

  test("what nobody has says so and is refused all the same from then on", async () => {
    const rig = new HubRig();
    expect(revoke(rig.hub, order("jti", "j9"), BACKEND)).toEqual({ closed: 0 });
    expect(await outcome(() => rig.hub.authenticator.verify(signed(claims({ jti: "j9" })), null))).toBe("AUTH_FAILED");
    expect(rig.audit.at(-1)?.about).toEqual({ by: "key", kind: "jti", connections: 0 });
  });

  test("does nothing at all when it cannot be kept", async () => {
    const full = new MemoryRevocations(new FakeClock(), 1);
    const rig = new HubRig({}, undefined, {}, { revocations: full });
    void revoke(rig.hub, order("sub", "bob"), BACKEND);
    const { socket } = rig.connect("ada", undefined, issued({}));
    expect(await outcome(() => revoke(rig.hub, order("sub", "ada"), BACKEND))).toBe("OVERLOADED");
    expect(socket.closed).toBeNull();
    expect(rig.audit.filter(({ event }) => event === "token.revoked")).toHaveLength(1);
  });

  test("closes what has connected before its store had answered", async () => {
    let rig: HubRig | null = null;
    let keep = (): void => {};
    const memory = new MemoryRevocations(new FakeClock());
    rig = new HubRig(
      {},
      undefined,
      {},
      {
        revocations: {
          add: (revocation) =>
            new Promise((resolve) => {
              keep = () => {
                rig?.revocations.add(revocation);
                resolve();
              };
            }),
          find: (kind, value) => memory.find(kind, value),
          size: 0,
          ready: true,
          sweep() {},
        },
      },
    );
    const revoked = revoke(rig.hub, order("sub", "ada"), BACKEND);
    const { socket } = rig.connect("ada", undefined, issued({}));
    expect(socket.closed).toBeNull();
    keep();
    expect(await revoked).toEqual({ closed: 1 });
    expect(socket.closed?.code).toBe(4003);
  });
});

describe("a revocation", () => {
  const untilOf = (rig: HubRig, kind: RevocationKind, value: string) => rig.revocations.find(kind, value)?.untilMs;

  test("of a token ends with the token, when the caller or a connection knows its end", () => {
    const rig = new HubRig();
    void revoke(rig.hub, order("jti", "told", { expiresAtMs: NOW_MS + 900_000 }), BACKEND);
    rig.connect("ada", undefined, issued({ jti: "live", expiresAtMs: NOW_MS + 600_000 }));
    void revoke(rig.hub, order("jti", "live"), BACKEND);
    expect([untilOf(rig, "jti", "told"), untilOf(rig, "jti", "live")]).toEqual([NOW_MS + 905_000, NOW_MS + 605_000]);
  });

  test("never ends before a token that it has closed, whatever the caller said", () => {
    const rig = new HubRig();
    rig.connect("ada", undefined, issued({ expiresAtMs: NOW_MS + 600_000 }));
    void revoke(rig.hub, order("sub", "ada", { expiresAtMs: NOW_MS - 1 }), BACKEND);
    expect(untilOf(rig, "sub", "ada")).toBe(NOW_MS + 605_000);
  });

  test("of a user or a session lives as long as any token may, for there may be others than those that are connected", () => {
    const rig = new HubRig({ maxTokenLifetimeS: 3_600 });
    rig.connect("ada", undefined, issued({ sid: "s", expiresAtMs: NOW_MS + 60_000 }));
    void revoke(rig.hub, order("sid", "s"), BACKEND);
    void revoke(rig.hub, order("sub", "bob"), BACKEND);
    void revoke(rig.hub, order("sub", "eve", { issuedBeforeMs: NOW_MS + 7_200_000 }), BACKEND);
    const lifeMs = 3_600_000 + 10_000;
    expect(untilOf(rig, "sid", "s")).toBe(NOW_MS + lifeMs);
    expect(untilOf(rig, "sub", "bob")).toBe(NOW_MS + lifeMs);
    expect(untilOf(rig, "sub", "eve")).toBe(NOW_MS + 7_200_000 + lifeMs);
  });

  test("of which nobody knows the end holds for a year", () => {
    const rig = new HubRig();
    for (const [kind, value] of [
      ["jti", "j"],
      ["sid", "s"],
      ["sub", "u"],
    ] as const) {
      void revoke(rig.hub, order(kind, value), BACKEND);
      expect(untilOf(rig, kind, value)).toBe(NOW_MS + 365 * DAY_MS + 5_000);
    }
  });
});

describe("a token that is revoked between its check and the greeting", () => {
  test("closes the connection 4003 before it was greeted, and no message reaches it", async () => {
    let answer = (): void => {};
    const waits = new Promise<void>((resolve) => {
      answer = resolve;
    });
    const rig = new HubRig({}, (broker) => ({
      ...passing(broker),
      enter: async (entrances, use) => {
        await waits;
        return broker.enter(entrances, use);
      },
    }));
    const { socket, connection } = rig.connect("ada", undefined, issued({}));
    rig.receive(connection, { type: "join_room", roomSlug: "r" });
    expect(revoke(rig.hub, order("sub", "ada"), BACKEND)).toEqual({ closed: 0 });
    answer();
    await rig.settle();
    expect(socket.closed).toEqual({ code: 4003, reason: "REVOKED" });
    expect(socket.take()).toEqual([]);
    expect(rig.topicsWithMembers).toEqual([]);
    expect(rig.hub.users.get("ada")?.admitted).toBe(0);
  });

  test("does so too when it was revoked before the connection was there", () => {
    const rig = new HubRig();
    void revoke(rig.hub, order("sub", "ada"), BACKEND);
    const { socket } = rig.connect("ada", undefined, issued({}));
    expect(socket.closed).toEqual({ code: 4003, reason: "REVOKED" });
    expect(socket.take()).toEqual([]);
  });
});

describe("a refresh", () => {
  test("with a revoked token is AUTH_FAILED, audited, and the old token goes on", () => {
    const rig = new HubRig();
    const { socket, connection } = rig.connect("ada", undefined, issued({ jti: "old" }));
    void revoke(rig.hub, order("jti", "new"), BACKEND);
    rig.receive(connection, { type: "refresh", id: 1, token: signed(claims({ sub: "ada", jti: "new" })) });
    expect(socket.take()).toMatchObject([{ type: "error", code: "AUTH_FAILED", id: 1 }]);
    expect(rig.audit.at(-1)).toMatchObject({ event: "auth.failed", userId: "ada" });
    expect([socket.closed, connection.bearer?.jti]).toEqual([null, "old"]);
  });

  test("takes the connection out of reach of a revocation of the old token, and into that of the new one", () => {
    const rig = new HubRig();
    const { socket, connection } = rig.connect("ada", undefined, issued({ jti: "old" }));
    rig.receive(connection, { type: "refresh", token: signed(claims({ sub: "ada", jti: "new" })) });
    expect(socket.take()).toMatchObject([{ type: "auth_refreshed" }]);
    expect(revoke(rig.hub, order("jti", "old"), BACKEND)).toEqual({ closed: 0 });
    expect(revoke(rig.hub, order("jti", "new"), BACKEND)).toEqual({ closed: 1 });
    expect(socket.closed?.code).toBe(4003);
  });

  test("with a token that is revoked while its signature is checked is AUTH_FAILED", async () => {
    const rig = new HubRig();
    let verified = (): void => {};
    const { authenticator } = rig.hub;
    const slow = new HubRig(
      {},
      undefined,
      {},
      {
        revocations: rig.revocations,
        authenticator: {
          authenticate: (credential, key) => authenticator.authenticate(credential, key),
          verify: (token, key) => {
            const known = authenticator.verify(token, key);
            return new Promise((resolve) => {
              verified = () => resolve(known);
            });
          },
          isRefused: (principal) => authenticator.isRefused(principal),
          sweep() {},
          keysReady: true,
          held: { verifiedTokens: 0, failures: 0 },
        },
      },
    );
    const { socket, connection } = slow.connect("ada", undefined, issued({ issuedAtMs: NOW_MS + 5_000 }));
    slow.receive(connection, { type: "refresh", token: signed(claims({ sub: "ada" })) });
    verified();
    expect(revoke(slow.hub, order("sub", "ada"), BACKEND)).toEqual({ closed: 0 });
    await slow.settle();
    expect(socket.take()).toMatchObject([{ type: "error", code: "AUTH_FAILED" }]);
    expect(socket.closed).toBeNull();
  });
});

describe("the token of a subscribe", () => {
  test("that is revoked takes its topic with it, unsubscribed REVOKED, and not the connection", () => {
    const rig = new HubRig();
    const { socket, connection } = rig.connect("ada", undefined, issued({ jti: "own" }));
    const token = signed(claims({ sub: "ada", jti: "second", topics: { "conversation:*": ["read"] } }));
    rig.receive(connection, { type: "subscribe", topic: "conversation:1", token });
    rig.receive(connection, { type: "join_room", roomSlug: "r" });
    socket.take();
    expect(revoke(rig.hub, order("jti", "second"), BACKEND)).toEqual({ closed: 0 });
    expect(socket.take()).toMatchObject([{ type: "unsubscribed", topic: "conversation:1", code: "REVOKED" }]);
    expect(connection.grants).toBeNull();
    expect(connection.rooms.map(({ topic }) => topic)).toEqual(["room:r"]);
    rig.receive(connection, { type: "subscribe", topic: "conversation:1", token });
    expect(socket.take()).toMatchObject([{ type: "error", code: "AUTH_FAILED" }]);
  });
});
