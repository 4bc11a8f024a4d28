import { expect, test } from "bun:test";
import { compileAccess, DEFAULT_ACCESS } from "../../src/access.ts";
import { AuthSession } from "../../src/embedding/auth-session.ts";
import type { AuthorizedSocket } from "../../src/embedding/authorized-socket.ts";
import { MessageAuth } from "../../src/embedding/message-auth.ts";
import type { AuditEvent } from "../../src/observe/audit.ts";
import { authenticatorWith, claims, NOW_S, signed } from "../auth/tokens.ts";
import { FakeClock } from "../support/clock.ts";
import { principal } from "../support/principal.ts";

class KeptFrames implements AuthorizedSocket {
  readonly data = { request: new Request("http://localhost/") };
  readyState = 1;
  readonly topics = new Set<string>();
  readonly frames: Record<string, unknown>[] = [];
  closed: number | null = null;

  send(text: string): void {
    this.frames.push(JSON.parse(text));
  }

  subscribe(topic: string): void {
    this.topics.add(topic);
  }

  unsubscribe(topic: string): void {
    this.topics.delete(topic);
  }

  isSubscribed(topic: string): boolean {
    return this.topics.has(topic);
  }

  publish(): void {}

  close(code = 1000): void {
    this.closed = code;
    this.readyState = 3;
  }
}

class Rig {
  readonly clock = new FakeClock();
  readonly audit: AuditEvent[] = [];
  readonly socket = new KeptFrames();
  readonly auth = new MessageAuth(
    { messages: { perSecond: 20, burst: 40 }, maxTopicsPerConnection: 128, clockToleranceS: 5 },
    {
      clock: this.clock,
      access: compileAccess(DEFAULT_ACCESS),
      authorizer: null,
      authenticator: authenticatorWith({}, this.clock),
      audit: {
        record: (event) => this.audit.push(event),
        flush: () => Promise.resolve(true),
        ...{ errors: 0, lost: 0, failure: null },
      },
      report: (error) => {
        throw error;
      },
    },
  );
  readonly session: AuthSession;

  constructor(expiresAtMs: number | null) {
    const client = { address: "192.0.2.1", key: "192.0.2.1", isProxied: false };
    const user = principal({ id: "alice", expiresAtMs });
    this.session = new AuthSession(user, client, { perSecond: 20, burst: 40 }, this.clock.monotonic());
  }

  send(message: object): unknown {
    return this.auth.handle(this.socket, this.session, message, true);
  }
}

const ROOM = { type: "subscribe", topic: "room:a" };

test("a subscribed connection is closed 4001 when its token has ended, with the tolerance of the clocks", () => {
  const rig = new Rig((NOW_S + 60) * 1_000);
  rig.send(ROOM);
  rig.clock.advance(64_000);
  expect(rig.socket.closed).toBeNull();
  rig.clock.advance(1_000);
  expect(rig.socket.closed).toBe(4001);
  expect([rig.auth.watch.size, rig.clock.pendingTimers]).toEqual([0, 0]);
});

test("a message after the end of the token is refused and ends the connection", () => {
  const rig = new Rig((NOW_S + 60) * 1_000);
  rig.clock.advance(65_000);
  expect(rig.send(ROOM)).toBe("refused");
  expect(rig.socket.frames).toMatchObject([{ code: "TOKEN_EXPIRED" }]);
  expect(rig.socket.closed).toBe(4001);
});

test("a topic that only a second token gave is left when that one ends, and the connection goes on", () => {
  const rig = new Rig(null);
  const token = signed(claims({ exp: NOW_S + 10, topics: { "conversation:7": ["read"] } }));
  rig.send({ type: "subscribe", topic: "conversation:7", token });
  rig.send(ROOM);
  rig.clock.advance(14_000);
  expect([...rig.socket.topics]).toEqual(["conversation:7", "room:a"]);
  rig.clock.advance(2_000);
  expect([...rig.socket.topics]).toEqual(["room:a"]);
  expect(rig.socket.frames.at(-1)).toMatchObject({
    type: "unsubscribed",
    topic: "conversation:7",
    code: "TOKEN_EXPIRED",
  });
  expect(rig.socket.closed).toBeNull();
  expect(rig.audit.map(({ event, code }) => [event, code])).toEqual([
    ["topic.joined", "OK"],
    ["topic.joined", "OK"],
    ["topic.left", "TOKEN_EXPIRED"],
  ]);
});

test("a token that gives another thing on the topic does not make the first one last longer", () => {
  const rig = new Rig(null);
  const jwt = (seconds: number, actions: string[]) =>
    signed(claims({ exp: NOW_S + seconds, topics: { "conversation:7": actions } }));
  rig.send({ type: "subscribe", topic: "conversation:7", token: jwt(10, ["read"]) });
  rig.send({ type: "subscribe", topic: "conversation:7", token: jwt(3_600, ["write"]) });
  expect(rig.socket.frames.at(-1)).toMatchObject({ type: "error", code: "FORBIDDEN" });
  rig.clock.advance(16_000);
  expect([...rig.socket.topics]).toEqual([]);
});

test("nothing is kept of what tokens give on topics that are not joined with them", () => {
  const rig = new Rig(null);
  const may = (...actions: string[]) => signed(claims({ exp: NOW_S + 3_600, topics: { "conversation:**": actions } }));
  for (let n = 0; n < 20; n += 1) rig.send({ type: "subscribe", topic: `conversation:${n}`, token: may("write") });
  expect([rig.session.topics.size, rig.session.grants?.size ?? 0]).toEqual([0, 0]);
});

test("nothing is kept of a connection that has closed, nor of one whose access never ends", () => {
  const forever = new Rig(null);
  forever.send(ROOM);
  expect(forever.auth.watch.size).toBe(0);
  const rig = new Rig((NOW_S + 3_600) * 1_000);
  rig.send(ROOM);
  rig.send(ROOM);
  expect(rig.auth.watch.size).toBe(1);
  rig.socket.readyState = 3;
  rig.clock.advance(1_000);
  expect([rig.auth.watch.size, rig.clock.pendingTimers, rig.socket.closed]).toEqual([0, 0, null]);
});

test("messages that wait behind a permission are bounded", async () => {
  const rig = new Rig(null);
  const waiting = rig.session.inOrder(() => new Promise<string>(() => undefined));
  for (let i = 0; i < 256; i++) void rig.send(ROOM);
  expect(rig.send(ROOM)).toBe("refused");
  expect(rig.socket.closed).toBe(4029);
  expect(waiting).toBeInstanceOf(Promise);
});
