import { describe, expect, test } from "bun:test";
import { decodeJwt, decodeProtectedHeader } from "jose";
import { createIssuer, type IssueOptions } from "../../src/auth/issue.ts";
import { FakeClock } from "../support/clock.ts";
import { authenticatorWith, NOW_S, outcome, SECRET } from "./tokens.ts";

const OPTIONS: IssueOptions = {
  secret: SECRET,
  algorithm: "HS256",
  ttlS: 3_600,
  issuer: null,
  audience: null,
  typ: null,
  userIdClaim: "sub",
};
const ALICE = { id: "8f14e45f-ceea-467f-9c3b-1d6c2a4b5e6f", username: "alice", role: "admin" };

describe("A token that the node issues", () => {
  test("has the claims of the login, each with its own jti", async () => {
    const issue = createIssuer(OPTIONS, new FakeClock());
    const { token, expiresInS } = await issue(ALICE);
    expect(expiresInS).toBe(3_600);
    expect(decodeProtectedHeader(token)).toEqual({ alg: "HS256", typ: "JWT" });
    const { jti, ...rest } = decodeJwt(token);
    expect(rest).toEqual({ sub: ALICE.id, username: "alice", role: "admin", iat: NOW_S, exp: NOW_S + 3_600 });
    expect(jti).toMatch(/^[0-9a-f-]{36}$/);
    expect(decodeJwt((await issue(ALICE)).token).jti).not.toBe(jti);
  });

  test("is one that the node lets in, until it expires", async () => {
    const clock = new FakeClock();
    const { token } = await createIssuer(OPTIONS, clock)(ALICE);
    const auth = authenticatorWith({}, clock);
    expect(auth.verify(token, null)).toMatchObject({ id: ALICE.id, username: "alice", roles: ["admin"] });
    clock.advance(3_605_000);
    expect(await outcome(() => auth.verify(token, null))).toBe("TOKEN_EXPIRED");
  });

  test.each(["username", "role", "jti"])(
    "holds the id in the claim %s, whatever else that claim would say",
    async (userIdClaim) => {
      const { token } = await createIssuer({ ...OPTIONS, userIdClaim }, new FakeClock())({ ...ALICE, username: "42" });
      expect(decodeJwt(token)[userIdClaim]).toBe(ALICE.id);
    },
  );

  test("meets everything that the node demands of tokens", async () => {
    const rules = { issuer: "https://us", audience: "ours", typ: "at+jwt", userIdClaim: "uid" };
    const { token } = await createIssuer({ ...OPTIONS, ...rules, algorithm: "HS512" }, new FakeClock())(ALICE);
    const auth = authenticatorWith({ ...rules, algorithms: ["HS512"], maxTokenLifetimeS: 3_600 });
    expect(auth.verify(token, null)).toMatchObject({ id: ALICE.id });
  });
});
