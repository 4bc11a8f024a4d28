import { describe, expect, test } from "bun:test";
import { claims, NOW_S, signed } from "../auth/tokens.ts";
import { Rig } from "./ports.ts";

const NOW_MS = NOW_S * 1_000;

function revoke(rig: Rig, body: unknown, as: Record<string, unknown> = { role: "admin", sub: "root" }) {
  return rig.fetch("/api/tokens/revoke", {
    method: "POST",
    headers: { Authorization: `Bearer ${signed(claims(as))}`, "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
}

describe("POST /api/tokens/revoke", () => {
  test("closes what matches and says how many connections that were", async () => {
    using rig = await Rig.open();
    const connected = [1, 2].map(() => rig.hub.connect("ada", undefined, { sid: "s1" }).socket);
    const response = await revoke(rig, { sid: "s1" });
    expect([response.status, await response.json()]).toEqual([200, { closed: 2 }]);
    expect(connected.map((socket) => socket.closed?.code)).toEqual([4003, 4003]);
  });

  test.each([
    [{ jti: "j" }, "jti", "j", null, 365 * 86_400_000],
    [{ sid: "s", expiresAt: NOW_MS + 1_000 }, "sid", "s", null, 1_000],
    [{ sub: "u" }, "sub", "u", NOW_MS, 365 * 86_400_000],
    [{ sub: 42, issuedBefore: NOW_MS - 5, expiresAt: NOW_MS + 9 }, "sub", "42", NOW_MS - 5, 9],
  ] as const)("keeps %j", async (body, kind, value, issuedBeforeMs, lifeMs) => {
    using rig = await Rig.open();
    expect((await revoke(rig, body)).status).toBe(200);
    expect(rig.hub.revocations.find(kind, value)).toEqual({
      ...{ kind, value, issuedBeforeMs },
      untilMs: NOW_MS + lifeMs + 5_000,
    });
  });

  test.each<[string, unknown]>([
    ["nothing", {}],
    ["two kinds", { jti: "j", sub: "u" }],
    ["an empty id", { jti: "" }],
    ["an id of a wrong type", { sid: 5 }],
    ["a user that cannot be", { sub: "a b" }],
    ["a misspelled time", { sub: "u", issuedbefore: NOW_MS }],
    ["a time in seconds", { sub: "u", issuedBefore: NOW_S }],
    ["an end in seconds", { jti: "j", expiresAt: NOW_S }],
    ["a fraction of a millisecond", { sub: "u", issuedBefore: NOW_MS + 0.5 }],
    ["null", null],
    ["a list", [{ jti: "j" }]],
  ])("refuses %s as a bad request and revokes nothing", async (_what, body) => {
    using rig = await Rig.open();
    const response = await revoke(rig, body);
    expect([response.status, await response.json()]).toMatchObject([400, { code: "BAD_REQUEST" }]);
    expect(rig.hub.revocations.size).toBe(0);
  });

  test("is for the backend alone", async () => {
    using rig = await Rig.open();
    expect((await revoke(rig, { sub: "u" }, { role: "user" })).status).toBe(403);
    expect((await rig.post("/api/tokens/revoke", { sub: "u" })).status).toBe(401);
    expect(rig.hub.revocations.size).toBe(0);
  });

  test("is audited with who called, and with no id of a token", async () => {
    using rig = await Rig.open();
    await revoke(rig, { jti: "canary-jti" });
    expect(rig.hub.audit).toMatchObject([
      { event: "token.revoked", userId: "root", address: "192.0.2.1", about: { by: "token", kind: "jti" } },
    ]);
    expect(JSON.stringify(rig.hub.audit)).not.toContain("canary");
  });
});
