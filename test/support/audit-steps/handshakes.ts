import { APP, type Step } from "../audit-stage.ts";

/** Who is let in, and who is not, by a status or by a frame and a close code. */

const FOREIGN_SECRET = "another-secret-of-more-than-32-bytes!";

const asHeader = (jwt: string) => [["Authorization", `Bearer ${jwt}`]] as const;

export const HANDSHAKES: readonly Step[] = [
  ["a handshake with a token", async (s) => [await s.connect("ada", "ada")]],
  [
    "one with a cookie and an allowed Origin",
    async (s) => {
      const headers = [
        ["Cookie", `access_token=${s.token("bob")}`],
        ["Origin", APP],
      ] as const;
      return [await s.connect("bob", "bob", { path: "/ws", headers })];
    },
  ],
  ["the first frame", async (s) => [await s.authenticate("eve", "eve")]],

  // Handshakes that are refused by a status.
  ["no token", async (s) => [await s.refused(401, {}, s.record("auth.failed", "warning", "AUTH_REQUIRED"))]],
  [
    "a token of somebody else's secret",
    async (s) => {
      const headers = asHeader(s.token("ada", {}, FOREIGN_SECRET));
      return [await s.refused(401, { headers }, s.record("auth.failed", "warning", "AUTH_FAILED"))];
    },
  ],
  [
    "a token that has ended",
    async (s) => {
      const headers = asHeader(s.token("ada", { exp: 1_000 }));
      return [await s.refused(401, { headers }, s.record("auth.failed", "warning", "TOKEN_EXPIRED"))];
    },
  ],
  [
    "a user who is inactive",
    async (s) => {
      const headers = asHeader(s.token("ada", { isActive: false }));
      return [await s.refused(403, { headers }, s.record("connection.refused", "warning", "FORBIDDEN"))];
    },
  ],
  [
    "another site's page",
    async (s) => {
      const headers = [...asHeader(s.token("ada")), ["Origin", "https://evil.example"]] as const;
      return [await s.refused(403, { headers }, s.record("connection.refused", "warning", "ORIGIN_FORBIDDEN"))];
    },
  ],
  [
    "two tokens",
    async (s) => {
      const request = { path: `/ws?token=${s.token("ada")}`, headers: asHeader(s.token("ada")) };
      return [await s.refused(400, request, s.record("connection.refused", "warning", "BAD_REQUEST"))];
    },
  ],
  [
    "a path that is none",
    async (s) => [await s.refused(404, { path: "/nowhere" }, s.record("connection.refused", "warning", "NOT_FOUND"))],
  ],
  [
    "a handshake without a key",
    async (s) => [await s.refused(400, { key: null }, s.record("connection.refused", "warning", "BAD_REQUEST"))],
  ],
  [
    "a handshake of another version",
    async (s) => [
      await s.refused(426, { version: "8" }, s.record("connection.refused", "warning", "UPGRADE_REQUIRED")),
    ],
  ],
  [
    "a user with too many connections",
    async (s) => {
      const second = await s.connect("eve's second", "eve");
      const record = s.record("connection.refused", "warning", "CONNECTION_LIMIT", { userId: "eve" });
      return [second, await s.refused(429, { headers: asHeader(s.token("eve")) }, record)];
    },
  ],
  [
    "a refusal that comes three times within a second",
    async (s) => {
      const record = s.record("auth.failed", "warning", "AUTH_REQUIRED");
      const first = await s.refused(401, {}, record);
      await s.refused(401, {}, record);
      await s.refused(401, {}, record);
      const since = record["time"];
      s.clock.advance(1_000);
      return [first, s.record("auth.failed", "warning", "AUTH_REQUIRED", { count: 2, since })];
    },
  ],

  // Refused by a frame and a close code.
  [
    "a bad token in the first frame",
    async (s) => {
      const frames = [JSON.stringify({ type: "auth", token: "a.b.c" })];
      return [await s.ended(4001, frames, s.record("auth.failed", "warning", "AUTH_FAILED"))];
    },
  ],
  [
    "too many connections, told to the first frame",
    async (s) => {
      const frames = [JSON.stringify({ type: "auth", token: s.token("eve") })];
      const record = s.record("connection.refused", "warning", "CONNECTION_LIMIT", { userId: "eve" });
      return [await s.ended(4008, frames, record)];
    },
  ],
  [
    "ten frames before the first frame that counts",
    async (s) => {
      const frames = Array.from({ length: 10 }, () => '{"type":"ping"}');
      return [await s.ended(4001, frames, s.record("auth.failed", "warning", "AUTH_REQUIRED"))];
    },
  ],
  [
    "a first frame that is too large",
    async (s) => {
      const record = s.record("connection.refused", "warning", "MESSAGE_TOO_LARGE");
      return [await s.ended(1009, ["x".repeat(8_193)], record)];
    },
  ],

  [
    "the path of another user",
    async (s) => {
      const path = `/ws/eve?token=${s.token("ada")}`;
      return [await s.ended(4003, [], s.record("connection.refused", "warning", "FORBIDDEN", { userId: "ada" }), path)];
    },
  ],
  [
    "a path without a token",
    async (s) => [await s.ended(4001, [], s.record("auth.failed", "warning", "AUTH_REQUIRED"), "/ws/eve")],
  ],
  [
    "a conversation that is not the user's",
    async (s) => {
      const path = `/ws/conversation/ada/c?token=${s.token("ada")}`;
      return [
        await s.ended(
          4003,
          [],
          s.record("access.denied", "warning", "FORBIDDEN", { userId: "ada", topic: "conversation:c" }),
          path,
        ),
      ];
    },
  ],
];
