import { describe, expect, test } from "bun:test";
import type { PrincipalInput } from "../../src/auth/principal-input.ts";
import { type TokenValidator, ValidatedTokens, type ValidatorOptions } from "../../src/auth/token-validator.ts";
import { ProtocolError } from "../../src/protocol/codes.ts";
import { FakeClock } from "../support/clock.ts";
import { authenticatorWith, outcome } from "./tokens.ts";

const ADDRESS = "192.0.2.1";
const OPTIONS: ValidatorOptions = {
  defaultRole: "user",
  clockToleranceS: 5,
  authFailuresPerMinute: 3,
  maxPendingConnections: 2,
};

class Rig {
  readonly clock = new FakeClock();
  readonly failures: unknown[] = [];
  readonly tokens: ValidatedTokens;

  constructor(validate: TokenValidator) {
    this.tokens = new ValidatedTokens(authenticatorWith({}, this.clock), validate, OPTIONS, {
      clock: this.clock,
      report: (error) => this.failures.push(error),
    });
  }

  verify(token = "token", address: string | null = ADDRESS): Promise<string> {
    return outcome(() => this.tokens.verify(token, address));
  }
}

describe("an answer", () => {
  test("that is no promise makes nobody wait", () => {
    const rig = new Rig(() => ({ id: 7 }));
    expect(rig.tokens.verify("token", ADDRESS)).toMatchObject({ id: "7", wireId: 7 });
  });

  test("may be a promise of another library", async () => {
    const answer = { then: (resolve: (user: unknown) => void) => resolve({ id: "u1" }) };
    const rig = new Rig(() => answer as never);
    expect(await rig.tokens.verify("token", ADDRESS)).toMatchObject({ id: "u1" });
  });

  const answers: readonly [
    what: string,
    answer: () => PrincipalInput | null | undefined,
    code: string,
    reported: number,
  ][] = [
    ["null", () => null, "AUTH_FAILED", 0],
    ["undefined", () => undefined, "AUTH_FAILED", 0],
    ["garbage", () => JSON.parse('{"id":{}}'), "AUTH_FAILED", 1],
    ["a user whose time is over", () => ({ id: 1, expiresAt: 1_000_000_000_000 }), "TOKEN_EXPIRED", 0],
    ["a throw", () => JSON.parse("{"), "UNAVAILABLE", 1],
    ["AUTH_FAILED", refusal("AUTH_FAILED"), "AUTH_FAILED", 0],
    ["TOKEN_EXPIRED", refusal("TOKEN_EXPIRED"), "TOKEN_EXPIRED", 0],
    ["FORBIDDEN", refusal("FORBIDDEN"), "FORBIDDEN", 0],
    ["UNAVAILABLE", refusal("UNAVAILABLE"), "UNAVAILABLE", 0],
    ["a code that says nothing about a token", refusal("TOPIC_LIMIT"), "UNAVAILABLE", 1],
  ];

  test.each(answers)(
    "%s is answered as it should be, at once or by a promise (%#)",
    async (_what, validate, code, reported) => {
      const now = new Rig(validate);
      const later = new Rig(async () => validate());
      expect(await now.verify()).toBe(code);
      expect(await later.verify()).toBe(code);
      expect([now.failures.length, later.failures.length]).toEqual([reported, reported]);
    },
  );

  test("is not kept: the next time it is asked again", async () => {
    let asked = 0;
    const rig = new Rig(() => {
      asked += 1;
      return asked === 1 ? { id: "u1" } : null;
    });
    expect([await rig.verify(), await rig.verify()]).toEqual(["ok", "AUTH_FAILED"]);
  });

  test("that does not come within 10 s is UNAVAILABLE", async () => {
    const rig = new Rig(() => new Promise(() => undefined));
    const waiting = rig.verify();
    rig.clock.advance(10_000);
    expect(await waiting).toBe("UNAVAILABLE");
    expect(rig.failures).toHaveLength(1);
    expect(rig.clock.pendingTimers).toBe(0);
  });
});

describe("a token", () => {
  test("that is nobody's counts against its address, the same one once, until that is limited", async () => {
    const rig = new Rig((token) => (token === "good" ? { id: "u1" } : null));
    for (const token of ["bad", "bad", "worse", "worst"]) expect(await rig.verify(token)).toBe("AUTH_FAILED");
    expect([await rig.verify("good"), await rig.verify("good", "192.0.2.2")]).toEqual(["RATE_LIMITED", "ok"]);
    rig.clock.advance(60_000);
    rig.tokens.sweep();
    expect(await rig.verify("good")).toBe("ok");
  });

  test("of a validator that is at fault does not count", async () => {
    const rig = new Rig((token) => {
      if (token.startsWith("broken")) throw new Error("the database is away");
      return token.startsWith("garbage") ? JSON.parse("7") : { id: "u1" };
    });
    for (let i = 0; i < 5; i++) await rig.verify(`broken${i}`);
    for (let i = 0; i < 5; i++) await rig.verify(`garbage${i}`);
    expect(await rig.verify("good")).toBe("ok");
  });

  test("that is empty or longer than any token is refused without asking", async () => {
    let asked = 0;
    const rig = new Rig(() => {
      asked += 1;
      return { id: "u1" };
    });
    expect(await rig.verify("")).toBe("AUTH_FAILED");
    expect(await rig.verify("x".repeat(9_000))).toBe("AUTH_FAILED");
    expect(asked).toBe(0);
  });

  test("beyond the number that is waited for is OVERLOADED, and there is room again when an answer came", async () => {
    const answers: ((user: { id: string }) => void)[] = [];
    const rig = new Rig(() => new Promise((resolve) => answers.push(resolve)));
    const waiting = [rig.verify("a"), rig.verify("b")];
    expect(await rig.verify("c")).toBe("OVERLOADED");
    for (const answer of answers) answer({ id: "u1" });
    expect(await Promise.all(waiting)).toEqual(["ok", "ok"]);
    const next = rig.verify("d");
    answers.at(-1)?.({ id: "u1" });
    expect(await next).toBe("ok");
  });

  test("for one use is the node's own, and never shown to the application", async () => {
    const shown: string[] = [];
    const rig = new Rig((token) => {
      shown.push(token);
      return { id: "u1" };
    });
    const ticket = { kind: "ticket", token: "t" } as const;
    expect(await outcome(() => rig.tokens.authenticate(ticket, null))).toBe("AUTH_FAILED");
    expect(shown).toEqual([]);
  });
});

function refusal(code: ConstructorParameters<typeof ProtocolError>[0]): () => never {
  return () => {
    throw new ProtocolError(code);
  };
}
