import type { Step } from "../audit-stage.ts";

/** Joins, denials, and new tokens on a live connection. */

export const TOPICS: readonly Step[] = [
  [
    "joining a room, once and again",
    async (s) => {
      for (let time = 0; time < 2; time += 1) await s.say("ada", { type: "join_room", roomSlug: "r" }, "room_joined");
      return [s.of("ada", "topic.joined", "info", "OK", { topic: "room:r" })];
    },
  ],
  [
    "leaving it, once and again",
    async (s) => {
      for (let time = 0; time < 2; time += 1) await s.say("ada", { type: "leave_room", roomSlug: "r" }, "room_left");
      return [s.of("ada", "topic.left", "info", "OK", { topic: "room:r" })];
    },
  ],
  [
    "a topic that anybody may read",
    async (s) => {
      await s.say("ada", { type: "subscribe", topic: "system:status" }, "subscribed");
      await s.say("ada", { type: "unsubscribe", topic: "system:status" }, "unsubscribed");
      const about = { topic: "system:status" };
      return [s.of("ada", "topic.joined", "info", "OK", about), s.of("ada", "topic.left", "info", "OK", about)];
    },
  ],
  [
    "topics of others",
    async (s) => {
      const frames = [
        { type: "subscribe", topic: "user:bob" },
        { type: "publish", topic: "user:bob", event: "note", data: 1 },
        { type: "history", topic: "wallet:bob" },
        { type: "presence", topic: "followers:bob" },
        { type: "typing", topic: "system:health", isTyping: true },
        { type: "subscribe", topic: "nothing:bob" },
        { type: "subscribe_conversation", conversation_id: 7 },
      ];
      for (const frame of frames) await s.say("ada", frame, "error", "FORBIDDEN");
      const topics = frames.map(({ topic }) => topic ?? "conversation:7");
      return topics.map((topic) => s.of("ada", "access.denied", "warning", "FORBIDDEN", { topic }));
    },
  ],
  [
    "a room that one is not in, which anybody could be",
    async (s) => {
      await s.say("ada", { type: "chat_message", roomSlug: "r", message: "x" }, "error", "NOT_A_MEMBER");
      return [];
    },
  ],
  [
    "a second token that grants a conversation",
    async (s) => {
      const jwt = s.token("ada", { topics: { "conversation:9": ["read"] } });
      await s.say("ada", { type: "subscribe", topic: "conversation:9", token: jwt }, "subscribed");
      return [s.of("ada", "topic.joined", "info", "OK", { topic: "conversation:9" })];
    },
  ],
  [
    "a second token of somebody else",
    async (s) => {
      const topic = "conversation:8";
      await s.say("ada", { type: "subscribe", topic, token: s.token("bob") }, "error", "AUTH_FAILED");
      return [s.of("ada", "auth.failed", "warning", "AUTH_FAILED", { topic })];
    },
  ],

  // New tokens.
  [
    "a token of the same user",
    async (s) => {
      await s.say("ada", { type: "refresh", token: s.token("ada", { role: "moderator" }) }, "auth_refreshed");
      return [];
    },
  ],
  [
    "what it allows, until the next one does not",
    async (s) => {
      const topic = "system:health";
      await s.say("ada", { type: "subscribe", topic }, "subscribed");
      await s.say("ada", { type: "refresh", token: s.token("ada") }, "auth_refreshed");
      return [s.of("ada", "topic.joined", "info", "OK", { topic }), s.of("ada", "topic.left", "info", "OK", { topic })];
    },
  ],
  [
    "the token of another user",
    async (s) => {
      await s.say("ada", { type: "refresh", token: s.token("bob") }, "error", "FORBIDDEN");
      await s.say("ada", { type: "auth", token: s.token("bob") }, "error", "FORBIDDEN");
      const record = s.of("ada", "auth.failed", "warning", "FORBIDDEN");
      return [record, record];
    },
  ],
  [
    "a new token that is none",
    async (s) => {
      await s.say("ada", { type: "refresh", token: "a.b.c" }, "error", "AUTH_FAILED");
      return [s.of("ada", "auth.failed", "warning", "AUTH_FAILED")];
    },
  ],
];
