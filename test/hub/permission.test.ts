import { describe, expect, test } from "bun:test";
import { removeFromTopic } from "../../src/hub/membership.ts";
import { compileAccess, DEFAULT_ACCESS } from "../../src/access.ts";
import type { HubOptions } from "../../src/hub/ports.ts";
import { recheck } from "../../src/hub/recheck.ts";
import { claims, signed } from "../auth/tokens.ts";
import { HeldAuthorizer } from "../support/authorizer.ts";
import { HubRig, passing } from "../support/hub.ts";
import { principal } from "../support/principal.ts";

/** What is asked of an authorizer, what becomes of its answers, and what happens in between. */

type Member = ReturnType<HubRig["connect"]>;

function rigWith(asked: HeldAuthorizer, options: Partial<HubOptions> = {}): HubRig {
  const access = compileAccess({ ...DEFAULT_ACCESS, hasAuthorizer: true });
  return new HubRig(options, undefined, {}, { access, authorizer: asked });
}

/** Sends the frame and lets the authorizer answer every question that it causes. */
async function askedBy(
  rig: HubRig,
  asked: HeldAuthorizer,
  member: Member,
  frame: object,
  isAllowed: boolean,
): Promise<object> {
  rig.receive(member.connection, { ...frame });
  await rig.settle();
  while (asked.open.length > 0) {
    asked.next().answer(isAllowed);
    await rig.settle();
  }
  return member.socket.take().at(-1) ?? {};
}

async function joined(rig: HubRig, asked: HeldAuthorizer, userId: string, topic: string): Promise<Member> {
  const member = rig.connect(userId);
  await askedBy(rig, asked, member, { type: "subscribe", topic }, true);
  return member;
}

describe("an authorizer", () => {
  const frames: [string, object, string[], string, string][] = [
    ["join_room", { roomSlug: "r" }, ["read room:r"], "room_joined", "FORBIDDEN"],
    ["subscribe", { topic: "game:1" }, ["read game:1"], "subscribed", "FORBIDDEN"],
    ["subscribe", { topic: "user:bob" }, ["read user:bob"], "subscribed", "FORBIDDEN"],
    ["subscribe_conversation", { conversation_id: 5 }, ["read conversation:5"], "subscribed", "FORBIDDEN"],
    ["publish", { topic: "game:1", event: "moved" }, ["write game:1"], "published", "FORBIDDEN"],
    ["publish", { roomSlug: "r", event: "moved" }, ["write room:r"], "published", "FORBIDDEN"],
    ["presence", { topic: "conversation:5" }, ["presence conversation:5"], "presence_state", "FORBIDDEN"],
    ["history", { topic: "conversation:5" }, ["read conversation:5"], "history", "FORBIDDEN"],
    ["presence", { roomSlug: "r" }, [], "error", "NOT_A_MEMBER"],
    ["history", { roomSlug: "r" }, [], "error", "NOT_A_MEMBER"],
    ["chat_message", { roomSlug: "r", message: "hi" }, [], "error", "NOT_A_MEMBER"],
  ];

  test.each(frames)("decides on %s %j", async (type, fields, questions, allowed, code) => {
    const asked = new HeldAuthorizer();
    const rig = rigWith(asked);
    const yes = await askedBy(rig, asked, rig.connect("ada"), { type, ...fields }, true);
    expect(yes).toMatchObject({ type: allowed });
    expect(asked.all).toEqual(questions);
    expect(await askedBy(rig, asked, rig.connect("bob"), { type, ...fields }, false)).toMatchObject({ code });
  });

  test("decides on the topics that the token and the rules would allow, and not on what a user receives anyway", async () => {
    const asked = new HeldAuthorizer();
    const rig = rigWith(asked);
    const topics = new Map([["conversation:5", ["read"] as const]]);
    const ada = rig.connect("ada", undefined, { topics });
    for (const topic of ["conversation:5", "followers:x", "system:status", "user:ada"]) {
      expect(await askedBy(rig, asked, ada, { type: "subscribe", topic }, false)).toMatchObject({ code: "FORBIDDEN" });
    }
    expect(await askedBy(rig, asked, ada, { type: "history", topic: "user:ada" }, false)).toMatchObject({
      type: "history",
    });
    expect(asked.all).toHaveLength(4);
  });

  test("is not asked for what members see, nor for what has the wrong form", async () => {
    const asked = new HeldAuthorizer();
    const rig = rigWith(asked);
    const ada = await joined(rig, asked, "ada", "conversation:5");
    const before = asked.all.length;
    expect(rig.answer(ada, { type: "presence", topic: "conversation:5" })).toMatchObject({ userCount: 1 });
    expect(rig.answer(ada, { type: "history", topic: "conversation:5" })).toMatchObject({ messages: [] });
    expect(rig.answer(ada, { type: "subscribe", topic: "No:good" })).toMatchObject({ code: "BAD_MESSAGE" });
    expect(asked.all).toHaveLength(before);
  });

  test("may let somebody read another user's topic, who then gets its messages, each once", async () => {
    const asked = new HeldAuthorizer();
    const rig = rigWith(asked);
    const admin = await joined(rig, asked, "admin", "user:bob");
    const bob = rig.connect("bob");
    await askedBy(rig, asked, bob, { type: "subscribe", topic: "user:bob" }, true);
    await askedBy(rig, asked, admin, { type: "publish", topic: "user:bob", event: "note", messageId: "m" }, true);
    expect(bob.socket.take().map(({ type }) => type)).toEqual(["note"]);
    const more = rig.connect("eve");
    await askedBy(rig, asked, more, { type: "publish", topic: "user:bob", event: "note" }, true);
    expect(admin.socket.take().map(({ type }) => type)).toEqual(["note"]);
  });

  test("that throws denies, as one that rejects does", async () => {
    const rig = new HubRig(
      {},
      undefined,
      {},
      {
        access: compileAccess({ ...DEFAULT_ACCESS, hasAuthorizer: true }),
        authorizer: {
          check: () => {
            throw new Error("broken");
          },
        },
      },
    );
    expect(rig.answer(rig.connect("ada"), { type: "join_room", roomSlug: "r" })).toMatchObject({ code: "FORBIDDEN" });
    expect(rig.failures).toEqual([]);
  });

  test("that denies is in the audit log with user and topic", async () => {
    const asked = new HeldAuthorizer();
    const rig = rigWith(asked);
    await askedBy(rig, asked, rig.connect("ada"), { type: "join_room", roomSlug: "r" }, false);
    expect(rig.audit.at(-1)).toMatchObject({
      event: "access.denied",
      userId: "ada",
      result: "refused",
      code: "FORBIDDEN",
      about: { topic: "room:r" },
    });
  });
});

describe("an answer", () => {
  test.each([true, false])("of %p is kept for a minute, for this connection, action and topic", async (isAllowed) => {
    const asked = new HeldAuthorizer();
    const rig = rigWith(asked);
    const ada = rig.connect("ada");
    const publish = { type: "publish", topic: "game:1", event: "moved" };
    await askedBy(rig, asked, ada, publish, isAllowed);
    rig.clock.advance(59_999);
    await askedBy(rig, asked, ada, publish, isAllowed);
    expect(asked.all).toEqual(["write game:1"]);
    await askedBy(rig, asked, ada, { type: "subscribe", topic: "game:1" }, isAllowed);
    await askedBy(rig, asked, rig.connect("ada"), publish, isAllowed);
    expect(asked.all).toEqual(["write game:1", "read game:1", "write game:1"]);
    rig.clock.advance(1);
    await askedBy(rig, asked, ada, publish, isAllowed);
    expect(asked.all).toHaveLength(4);
  });

  test("that did not come denies for a second", async () => {
    const asked = new HeldAuthorizer();
    const rig = rigWith(asked);
    const ada = rig.connect("ada");
    const join = { type: "join_room", roomSlug: "r" };
    rig.receive(ada.connection, join);
    asked.next().fail();
    await rig.settle();
    expect(ada.socket.take().at(-1)).toMatchObject({ code: "FORBIDDEN", roomSlug: "r" });
    rig.clock.advance(999);
    expect(rig.answer(ada, join)).toMatchObject({ code: "FORBIDDEN" });
    expect(asked.all).toHaveLength(1);
    rig.clock.advance(1);
    expect(await askedBy(rig, asked, ada, join, true)).toMatchObject({ type: "room_joined" });
  });

  test("is forgotten when 256 later ones are kept", async () => {
    const asked = new HeldAuthorizer();
    const rig = rigWith(asked, { messagesPerSecond: 1_000, messageBurst: 1_000 });
    const ada = rig.connect("ada");
    const publish = (name: number) =>
      askedBy(rig, asked, ada, { type: "publish", topic: `game:${name}`, event: "moved" }, true);
    for (let name = 0; name <= 256; name += 1) await publish(name);
    await publish(256);
    await publish(1);
    expect(asked.all).toHaveLength(257);
    await publish(0);
    expect(asked.all).toHaveLength(258);
  });

  test("is timed once for each question, however long it took", async () => {
    const asked = new HeldAuthorizer();
    const rig = rigWith(asked);
    const ada = rig.connect("ada");
    rig.receive(ada.connection, { type: "join_room", roomSlug: "r" });
    rig.clock.advance(500);
    asked.next().answer(true);
    await rig.settle();
    const { counts, sum } = rig.metrics.permissionCheck;
    expect([counts.reduce((all, count) => all + count, 0), sum]).toEqual([1, 0.5]);
  });
});

describe("while the authorizer is asked", () => {
  test("the frames behind the question wait, in their order", async () => {
    const asked = new HeldAuthorizer();
    const rig = rigWith(asked);
    const ada = rig.connect("ada");
    rig.receive(ada.connection, { type: "join_room", roomSlug: "r", id: 1 });
    rig.receive(ada.connection, { type: "ping", id: 2 });
    rig.receive(ada.connection, { type: "chat_message", roomSlug: "r", message: "hi", id: 3 });
    rig.receive(ada.connection, { type: "leave_room", roomSlug: "r", id: 4 });
    expect(ada.socket.pending).toBe(0);
    asked.next().answer(true);
    await rig.settle();
    asked.next().answer(true);
    await rig.settle();
    const answers = ada.socket.take().filter(({ id }) => id !== undefined);
    expect(answers.map(({ type }) => type)).toEqual(["room_joined", "pong", "message_sent", "room_left"]);
  });

  test.each([
    ["publish", { type: "publish", topic: "game:1", event: "moved" }],
    ["join", { type: "subscribe", topic: "game:1" }],
  ])("a connection that ends does not %s any more, whatever the answer", async (_what, frame) => {
    const asked = new HeldAuthorizer();
    const rig = rigWith(asked);
    const witness = await joined(rig, asked, "bob", "game:1");
    for (const isAllowed of [true, false]) {
      const ada = rig.connect("ada");
      rig.receive(ada.connection, frame);
      ada.socket.end(4003);
      asked.next().answer(isAllowed);
      await rig.settle();
      expect(ada.socket.pending).toBe(0);
    }
    expect(witness.socket.take()).toEqual([]);
    expect(rig.hub.rooms.get("game:1")?.members).toBe(1);
    expect(rig.audit.filter(({ event }) => event === "access.denied")).toEqual([]);
    expect(rig.failures).toEqual([]);
  });

  test("a change of the permissions makes it ask again, and the answer about those of before counts for nothing", async () => {
    const asked = new HeldAuthorizer();
    const rig = rigWith(asked);
    const ada = rig.connect("ada");
    rig.receive(ada.connection, { type: "join_room", roomSlug: "r" });
    const before = asked.next();
    void recheck(rig.hub, ada.connection, principal({ id: "ada", roles: ["guest"] }), "FORBIDDEN");
    before.answer(true);
    await rig.settle();
    const now = asked.next();
    expect([before.principal.roles, now.principal.roles]).toEqual([["user"], ["guest"]]);
    now.answer(false);
    await rig.settle();
    expect(ada.socket.take().at(-1)).toMatchObject({ code: "FORBIDDEN" });
    expect(await askedBy(rig, asked, ada, { type: "join_room", roomSlug: "r" }, true)).toMatchObject({
      code: "FORBIDDEN",
    });
    expect(asked.all).toHaveLength(2);
  });

  test("a change that is taken back makes it ask again, too", async () => {
    const asked = new HeldAuthorizer();
    const rig = rigWith(asked);
    const ada = rig.connect("ada");
    const first = ada.connection.principal;
    if (first === null) throw new Error("nobody");
    rig.receive(ada.connection, { type: "join_room", roomSlug: "r" });
    const before = asked.next();
    void recheck(rig.hub, ada.connection, principal({ id: "ada", roles: [] }), "FORBIDDEN");
    void recheck(rig.hub, ada.connection, first, "FORBIDDEN");
    before.answer(true);
    await rig.settle();
    const now = asked.next();
    expect(now.principal).not.toBe(before.principal);
    expect(now.principal).toEqual(before.principal);
    now.answer(false);
    await rig.settle();
    expect(ada.socket.take().at(-1)).toMatchObject({ code: "FORBIDDEN" });
  });

  test("whether a message may be written, its sender can be taken out of the room: then it is none of its members", async () => {
    const asked = new HeldAuthorizer();
    const rig = rigWith(asked);
    const ada = await joined(rig, asked, "ada", "room:r");
    const bob = await joined(rig, asked, "bob", "room:r");
    rig.receive(ada.connection, { type: "chat_message", roomSlug: "r", message: "hi" });
    removeFromTopic(rig.hub, ada.connection, "room:r", "REVOKED");
    asked.next().answer(true);
    await rig.settle();
    expect(ada.socket.take().map(({ type, code }) => code ?? type)).toContain("NOT_A_MEMBER");
    expect(bob.socket.take().map(({ type }) => type)).not.toContain("new_message");
  });

  test("a refresh waits its turn and then asks for each topic of the connection", async () => {
    const asked = new HeldAuthorizer();
    const rig = rigWith(asked);
    const ada = await joined(rig, asked, "alice", "room:a");
    const token = signed(claims({ sub: "alice", role: "guest" }));
    rig.receive(ada.connection, { type: "join_room", roomSlug: "b" });
    rig.receive(ada.connection, { type: "refresh", token });
    asked.next().answer(true);
    await rig.settle();
    expect(asked.open.map(({ topic, principal: who }) => [topic, who.roles[0]])).toEqual([
      ["room:a", "guest"],
      ["room:b", "guest"],
    ]);
    asked.next().answer(false);
    asked.next().answer(true);
    await rig.settle();
    const frames = ada.socket.take();
    expect(frames).toContainEqual(expect.objectContaining({ type: "unsubscribed", roomSlug: "a", code: "FORBIDDEN" }));
    expect(frames.at(-1)).toMatchObject({ type: "auth_refreshed", kept: ["user:alice", "room:b"], lost: ["room:a"] });
  });
});

describe("a change of permissions", () => {
  const changed = principal({ id: "ada", roles: ["guest"] });

  async function inMany(count: number): Promise<{ asked: HeldAuthorizer; rig: HubRig; ada: Member }> {
    const asked = new HeldAuthorizer();
    const rig = rigWith(asked);
    const ada = rig.connect("ada");
    for (let name = 0; name < count; name += 1) {
      await askedBy(rig, asked, ada, { type: "join_room", roomSlug: `r${name}` }, true);
    }
    return { asked, rig, ada };
  }

  test("asks about eight topics at once, and about the next when one is answered", async () => {
    const { asked, rig, ada } = await inMany(20);
    const lost = recheck(rig.hub, ada.connection, changed, "FORBIDDEN");
    expect(asked.open).toHaveLength(8);
    asked.next().answer(false);
    await rig.settle();
    expect(asked.open).toHaveLength(8);
    while (asked.open.length > 0) {
      asked.next().answer(true);
      await rig.settle();
    }
    expect(await lost).toEqual(["room:r0"]);
    expect(ada.connection.rooms).toHaveLength(19);
  });

  test("takes away the topics about which there is no answer", async () => {
    const { asked, rig, ada } = await inMany(2);
    const lost = recheck(rig.hub, ada.connection, changed, "FORBIDDEN");
    asked.next().fail();
    asked.next().answer(true);
    expect(await lost).toEqual(["room:r0"]);
    expect(ada.socket.take().filter(({ type }) => type === "unsubscribed")).toMatchObject([
      { roomSlug: "r0", code: "FORBIDDEN", reason: "FORBIDDEN" },
    ]);
  });

  test("that is followed by another one takes nothing away by itself", async () => {
    const { asked, rig, ada } = await inMany(1);
    const first = recheck(rig.hub, ada.connection, changed, "FORBIDDEN");
    const second = recheck(rig.hub, ada.connection, principal({ id: "ada", roles: ["admin"] }), "FORBIDDEN");
    asked.next().answer(false);
    await rig.settle();
    while (asked.open.length > 0) {
      const question = asked.next();
      question.answer(question.principal.roles.includes("admin"));
      await rig.settle();
    }
    expect([await first, await second]).toEqual([[], []]);
    expect(ada.connection.rooms).toHaveLength(1);
  });

  test("of a connection that ends meanwhile is over with it", async () => {
    const { asked, rig, ada } = await inMany(20);
    const lost = recheck(rig.hub, ada.connection, changed, "FORBIDDEN");
    ada.socket.end(1001);
    ada.socket.take();
    while (asked.open.length > 0) {
      asked.next().answer(false);
      await rig.settle();
    }
    expect(await lost).toEqual([]);
    expect(asked.all).toHaveLength(28);
    expect(ada.socket.pending).toBe(0);
  });
});

describe("a join whose position the broker gives later", () => {
  test("is decided by the permissions of then", async () => {
    const waiting: (() => void)[] = [];
    const rig = new HubRig({}, (broker) => ({
      ...passing(broker),
      async enter(entrances, use) {
        const [first] = entrances;
        if (first?.topic.startsWith("wallet:") === true) await new Promise<void>((resolve) => waiting.push(resolve));
        return broker.enter(entrances, use);
      },
    }));
    const ada = rig.connect("ada");
    rig.receive(ada.connection, { type: "subscribe", topic: "wallet:ada" });
    void recheck(rig.hub, ada.connection, principal({ id: "ada", roles: ["guest"] }), "FORBIDDEN");
    waiting.shift()?.();
    await rig.settle();
    expect(ada.socket.take()).toMatchObject([{ type: "error", code: "FORBIDDEN", topic: "wallet:ada" }]);
    expect(ada.connection.rooms).toEqual([]);
  });
});
