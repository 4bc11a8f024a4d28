import * as v from "valibot";
import type { Step } from "../audit-stage.ts";

/** Tickets, and what the backend orders. */

export const ORDERS: readonly Step[] = [
  [
    "a ticket, used once and again",
    async (s) => {
      const headers = { Authorization: `Bearer ${s.token("kim")}` };
      const response = await s.http(201, "/api/ws/ticket", { method: "POST", headers });
      const { ticket } = v.parse(v.object({ ticket: v.string() }), await response.json());
      const path = `/ws?ticket=${ticket}`;
      const accepted = await s.connect("kim", "kim", { path });
      return [accepted, await s.refused(401, { path }, s.record("auth.failed", "warning", "AUTH_FAILED"))];
    },
  ],
  [
    "a ticket for nobody, and for a cookie from nowhere",
    async (s) => {
      const path = "/api/ws/ticket";
      await s.http(401, path, { method: "POST" });
      await s.http(403, path, { method: "POST", headers: { Cookie: `access_token=${s.token("ada")}` } });
      const about = { method: "POST", route: path };
      return [
        s.ofHttp("auth.failed", "warning", "AUTH_REQUIRED", about),
        s.ofHttp("access.denied", "warning", "ORIGIN_FORBIDDEN", about),
      ];
    },
  ],
  [
    "permissions that are changed, and what they took away",
    async (s) => {
      const topic = "conversation:k";
      await s.order("PUT", "/api/users/kim/permissions", { topics: { [topic]: ["read"] } });
      await s.say("kim", { type: "subscribe", topic }, "subscribed");
      await s.order("DELETE", "/api/users/kim/permissions");
      const changed = { ofUser: "kim", connections: 1 };
      const route = "/api/users/{id}/permissions";
      return [
        s.ofOrder("permissions.changed", { ...changed, change: "set", topicsLost: 0 }),
        s.called(`PUT ${route}`),
        s.of("kim", "topic.joined", "info", "OK", { topic }),
        s.of("kim", "topic.left", "info", "OK", { topic }),
        s.ofOrder("permissions.changed", { ...changed, change: "cleared", topicsLost: 1 }),
        s.called(`DELETE ${route}`),
      ];
    },
  ],
  [
    "tokens that are revoked, and their connection",
    async (s) => {
      const closed = await s.leave("kim", 4_003, () => s.order("POST", "/api/tokens/revoke", { sub: "kim" }));
      return [
        closed,
        s.ofOrder("token.revoked", { kind: "sub", ofUser: "kim", connections: 1 }),
        s.called("POST /api/tokens/revoke"),
      ];
    },
  ],
  [
    "a user who is disconnected",
    async (s) => {
      const accepted = await s.connect("lou", "lou");
      const closed = await s.leave("lou", 4_444, () => s.order("POST", "/api/users/lou/disconnect", { code: 4_444 }));
      const record = s.ofOrder("user.disconnected", { ofUser: "lou", connections: 1, closeCode: 4_444 });
      return [accepted, closed, record, s.called("POST /api/users/{id}/disconnect")];
    },
  ],
  [
    "an event of the backend, and one that is too large",
    async (s) => {
      await s.order("POST", "/api/publish", { topic: "room:r", event: "note", data: 1 });
      await s.order("POST", "/api/publish", { topic: "room:r", event: "note", data: "x".repeat(20_000) }, 413);
      const route = "POST /api/publish";
      return [s.called(route), s.refusedCall(route, "MESSAGE_TOO_LARGE", { userId: "root", by: "token" })];
    },
  ],
  [
    "orders of who may give none",
    async (s) => {
      const headers = { Authorization: `Bearer ${s.token("ada")}`, "Content-Type": "application/json" };
      const path = "/api/tokens/revoke";
      await s.http(403, path, { method: "POST", headers, body: '{"sub":"bob"}' });
      await s.http(401, path, { method: "POST", headers: { "X-API-Key": "guessed" }, body: '{"sub":"bob"}' });
      return [
        s.refusedCall(`POST ${path}`, "FORBIDDEN", { userId: "ada", by: "token" }),
        s.refusedCall(`POST ${path}`, "AUTH_FAILED"),
      ];
    },
  ],
];
