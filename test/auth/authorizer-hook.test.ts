import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { AuthorizerFailure } from "../../src/auth/authorizer-failure.ts";
import { AuthorizerHook, type HookOptions } from "../../src/auth/authorizer-hook.ts";
import { Histogram } from "../../src/observe/histogram.ts";
import { LabelCounter } from "../../src/observe/label-counter.ts";
import { FakeClock } from "../support/clock.ts";
import { allow, deny, type HookAnswer, HookServer, stall } from "../support/hook-server.ts";
import { principal } from "../support/principal.ts";
import { until } from "./tokens.ts";

/** The hook over real HTTP; the time of the deadlines is the test's. */

const TOKEN = "c4nary-hook-token";
const ada = principal({ id: "7", wireId: 7, username: "ada", roles: ["user"], permissions: ["game.read"] });

let server: HookServer;
let clock: FakeClock;
let logged: object[];
let metrics: { authorizerRequests: LabelCounter; authorizer: Histogram };

beforeEach(async () => {
  server = await HookServer.start();
  clock = new FakeClock();
  logged = [];
  metrics = {
    authorizerRequests: new LabelCounter(["allowed", "denied", "failed", "timeout", "overflow"]),
    authorizer: new Histogram([1]),
  };
});

afterEach(() => server.stop());

function hook(options: Partial<HookOptions> = {}): AuthorizerHook {
  return new AuthorizerHook(
    { url: server.url, token: TOKEN, ...options },
    {
      clock,
      metrics,
      access: { permissionsOf: (who) => [...who.permissions, "wallet.read"] },
      log: { warn: (fields, message) => logged.push({ ...fields, message }) },
    },
  );
}

async function failureOf(answer: Promise<boolean>): Promise<AuthorizerFailure> {
  const failure: unknown = await answer.then(
    () => new Error("there was an answer"),
    (error: unknown) => error,
  );
  if (failure instanceof AuthorizerFailure) return failure;
  throw failure;
}

const counted = (result: string) => metrics.authorizerRequests.get(result);

describe("a question", () => {
  test("says who wants to do what, and who asks", async () => {
    await hook().check(ada, "write", "game:1");
    const [asked] = server.asked;
    expect(asked?.request.method).toBe("POST");
    expect(asked?.request.headers).toMatchObject({
      authorization: `Bearer ${TOKEN}`,
      "content-type": "application/json",
    });
    expect(asked?.body).toEqual({
      userId: 7,
      username: "ada",
      roles: ["user"],
      permissions: ["game.read", "wallet.read"],
      action: "write",
      topic: "game:1",
    });
  });

  test("is asked without a header of authorization where no token is set", async () => {
    await hook({ token: null }).check(ada, "read", "game:1");
    expect(server.asked[0]?.request.headers).not.toHaveProperty("authorization");
  });

  test.each([
    [allow, true, "allowed"],
    [deny, false, "denied"],
  ] as const)("is answered by 200 and a boolean (%#)", async (answer, expected, result) => {
    server.answer = answer;
    expect(await hook().check(ada, "read", "game:1")).toBe(expected);
    expect(counted(result)).toBe(1);
    expect(metrics.authorizer.counts.reduce((sum, count) => sum + count, 0)).toBe(1);
    expect(logged).toEqual([]);
  });
});

describe("no answer", () => {
  const json =
    (text: string): HookAnswer =>
    ({ response }) =>
      void response.end(text);
  const status =
    (code: number, headers: Record<string, string> = {}): HookAnswer =>
    ({ response }) =>
      void response.writeHead(code, headers).end('{"allowed": true}');
  const rows: [string, HookAnswer, string | null][] = [
    ["a failure of the hook", status(500), "status 500"],
    ["a refusal by status", status(403), "status 403"],
    ["a success that is not 200", status(201), "status 201"],
    ["no content", ({ response }) => void response.writeHead(204).end(), "status 204"],
    ["a text", json("yes"), "malformed"],
    ["nothing", json(""), "malformed"],
    ["a bare boolean", json("true"), "malformed"],
    ["a list", json("[true]"), "malformed"],
    ["no boolean", json('{"allowed": "true"}'), "malformed"],
    ["another field", json('{"allow": true}'), "malformed"],
    ["more than 8 KiB", json(`{"allowed": true, "why": "${"x".repeat(8_192)}"}`), "too large"],
  ];

  test.each(rows)("is %s", async (_what, answer, detail) => {
    server.answer = answer;
    expect(await failureOf(hook().check(ada, "read", "game:1"))).toMatchObject({ reason: "failed", detail });
    expect(counted("failed")).toBe(1);
  });

  test("is a redirect, which is not followed", async () => {
    const other = await HookServer.start();
    server.answer = status(307, { location: other.url });
    expect((await failureOf(hook().check(ada, "read", "game:1"))).detail).toBe("status 307");
    expect(other.asked).toEqual([]);
    await other.stop();
  });

  test("is a body without an end, of which no more is read than the bound", async () => {
    server.answer = ({ response }) => {
      const more = (): void => {
        if (!response.destroyed) response.write("x".repeat(65_536), more);
      };
      more();
    };
    expect((await failureOf(hook().check(ada, "read", "game:1"))).detail).toBe("too large");
    await until(() => server.abandoned === 1);
  });

  test.each([
    ["before it", (({ request }) => void request.socket.destroy()) satisfies HookAnswer],
    [
      "within it",
      (({ request, response }) => {
        response.writeHead(200, { "content-length": "100" });
        response.write('{"allowed": true', () => request.socket.destroy());
      }) satisfies HookAnswer,
    ],
  ])("is a connection that breaks %s", async (_when, answer) => {
    server.answer = answer;
    expect((await failureOf(hook().check(ada, "read", "game:1"))).reason).toBe("failed");
  });

  test("is a hook that is not there", async () => {
    await server.stop();
    expect((await failureOf(hook().check(ada, "read", "game:1"))).reason).toBe("failed");
    server = await HookServer.start();
  });

  test.each([
    ["in time", stall],
    [
      "whole in time",
      (({ response }) => {
        response.writeHead(200);
        response.write('{"allowed": true');
      }) satisfies HookAnswer,
    ],
  ])("is one that is not there %s, and then the request is given up", async (_what, answer) => {
    server.answer = answer;
    const asking = hook().check(ada, "read", "game:1");
    await until(() => server.asked.length === 1);
    clock.advance(1_999);
    expect(counted("timeout")).toBe(0);
    clock.advance(1);
    expect(await failureOf(asking)).toMatchObject({ reason: "timeout" });
    expect(counted("timeout")).toBe(1);
    await until(() => server.abandoned === 1);
    expect(clock.pendingTimers).toBe(0);
  });

  test("is logged once a second with how often, and without token, address, user and topic", async () => {
    const { port } = new URL(server.url);
    server.answer = status(500);
    const own = hook();
    for (const topic of ["game:1", "game:2", "game:3"]) await failureOf(own.check(ada, "read", topic));
    clock.advance(1_000);
    await failureOf(own.check(ada, "read", "game:4"));
    expect(logged).toEqual([
      { reason: "failed", detail: "status 500", failures: 1, message: expect.any(String) },
      { reason: "failed", detail: "status 500", failures: 3, message: expect.any(String) },
    ]);
    for (const secret of [TOKEN, port, "ada", "game:"]) expect(JSON.stringify(logged)).not.toContain(secret);
  });

  test("comes of a connection that was closed while it was idle only when a second one fails as well", async () => {
    const sockets = new Map<unknown, number>();
    // The first connection answers once and is closed at its second request, as by a keep-alive that ends in that moment.
    server.answer = (asked, count) => {
      const requests = (sockets.get(asked.request.socket) ?? 0) + 1;
      sockets.set(asked.request.socket, requests);
      if (requests > 1) asked.request.socket.destroy();
      else allow(asked, count);
    };
    const own = hook();
    expect(await own.check(ada, "read", "game:1")).toBe(true);
    expect(await own.check(ada, "read", "game:2")).toBe(true);
    expect(counted("allowed")).toBe(2);
  });
});

describe("many questions", () => {
  const bounds = { maxRequests: 2, maxWaiting: 2 };

  test("go out so many at once, then wait in their order, and beyond that are refused", async () => {
    server.answer = stall;
    const own = hook({ bounds });
    const answers = ["1", "2", "3", "4"].map((name) => own.check(ada, "read", `game:${name}`));
    await until(() => server.asked.length === 2);
    expect(await failureOf(own.check(ada, "read", "game:5"))).toMatchObject({ reason: "overflow" });
    expect(counted("overflow")).toBe(1);
    // One after the other: two requests that go out together arrive in any order.
    for (let answered = 0; answered < 4; answered += 1) {
      await until(() => server.asked.length >= Math.min(4, answered + 2));
      for (const asked of server.asked.slice(answered, answered + 1)) allow(asked, 0);
    }
    expect(await Promise.all(answers)).toEqual([true, true, true, true]);
    expect(server.asked.map(({ body }) => (body as { topic: string }).topic).slice(2)).toEqual(["game:3", "game:4"]);
  });

  test("have one deadline for the wait and the answer", async () => {
    server.answer = stall;
    const own = hook({ bounds: { maxRequests: 1, maxWaiting: 2 } });
    const first = own.check(ada, "read", "game:1");
    const second = own.check(ada, "read", "game:2");
    await until(() => server.asked.length === 1);
    clock.advance(1_000);
    const third = own.check(ada, "read", "game:3");
    clock.advance(1_000);
    expect([(await failureOf(first)).reason, (await failureOf(second)).reason]).toEqual(["timeout", "timeout"]);
    await until(() => server.asked.length === 2);
    clock.advance(1_000);
    expect((await failureOf(third)).reason).toBe("timeout");
    expect(server.asked.map(({ body }) => (body as { topic: string }).topic)).toEqual(["game:1", "game:3"]);
    await until(() => server.abandoned === 2);
  });

  test("that are one and the same are asked once, but another principal's and another action's are not", async () => {
    server.answer = stall;
    const own = hook();
    const again = { ...ada };
    const answers = [
      own.check(ada, "read", "game:1"),
      own.check(ada, "read", "game:1"),
      own.check(again, "read", "game:1"),
      own.check(ada, "write", "game:1"),
    ];
    await until(() => server.asked.length === 3);
    for (const asked of [...server.asked]) allow(asked, 0);
    expect(await Promise.all(answers)).toEqual([true, true, true, true]);
    server.answer = deny;
    expect(await own.check(ada, "read", "game:1")).toBe(false);
    expect(server.asked).toHaveLength(4);
  });

  test("are all given up when the node stops, and nothing is logged", async () => {
    server.answer = stall;
    const own = hook({ bounds: { maxRequests: 1, maxWaiting: 1 } });
    const answers = [own.check(ada, "read", "game:1"), own.check(ada, "read", "game:2")];
    await until(() => server.asked.length === 1);
    own.stop();
    for (const answer of answers) expect((await failureOf(answer)).reason).toBe("failed");
    expect(logged).toEqual([]);
    expect(clock.pendingTimers).toBe(0);
    await until(() => server.abandoned === 1);
  });
});
