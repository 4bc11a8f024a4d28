import * as v from "valibot";
import type { Step } from "../audit-stage.ts";

/** Accounts, statistics, health. */

const CREDENTIALS = { username: "grace", password: "correct horse" };

/** Known once she is registered. */
let graceId = "";

function userOf(jwt: string): string {
  const claims: unknown = JSON.parse(Buffer.from(jwt.split(".")[1] ?? "", "base64url").toString());
  return v.parse(v.object({ sub: v.string() }), claims).sub;
}

export const HTTP: readonly Step[] = [
  [
    "a registration",
    async (s) => {
      const response = await s.post(201, "/api/register", CREDENTIALS);
      const { token } = v.parse(v.object({ token: v.string() }), await response.json());
      graceId = userOf(token);
      return [s.ofHttp("account.registered", "info", "OK", { userId: graceId })];
    },
  ],
  [
    "one of a name that is taken",
    async (s) => {
      await s.post(409, "/api/register", CREDENTIALS);
      return [s.ofHttp("account.registered", "warning", "CONFLICT")];
    },
  ],
  [
    "a login",
    async (s) => {
      await s.post(200, "/api/login", CREDENTIALS);
      return [s.ofHttp("account.login", "info", "OK", { userId: graceId })];
    },
  ],
  [
    "a wrong password",
    async (s) => {
      await s.post(401, "/api/login", { ...CREDENTIALS, password: "wrong horse" });
      return [s.ofHttp("account.login", "warning", "AUTH_FAILED", { userId: graceId })];
    },
  ],
  [
    "an unknown name",
    async (s) => {
      await s.post(401, "/api/login", { ...CREDENTIALS, username: "nobody" });
      return [s.ofHttp("account.login", "warning", "AUTH_FAILED")];
    },
  ],
  [
    "too many logins",
    async (s) => {
      const name = { username: "guessed", password: "x" };
      for (let time = 0; time < 10; time += 1) await s.post(401, "/api/login", name);
      await s.post(429, "/api/login", name);
      const first = s.ofHttp("account.login", "warning", "AUTH_FAILED");
      const limited = s.ofHttp("account.login", "warning", "RATE_LIMITED");
      s.clock.advance(1_000);
      return [
        first,
        limited,
        { ...s.record("account.login", "warning", "AUTH_FAILED"), count: 9, since: first["time"] },
      ];
    },
  ],
  [
    "statistics for nobody, for a user and for a moderator",
    async (s) => {
      const as = (jwt: string) => ({ headers: { Authorization: `Bearer ${jwt}` } });
      await s.http(401, "/ws/stats");
      await s.http(403, "/ws/stats?token=x", as(s.token("ada")));
      await s.http(200, "/ws/stats", as(s.token("mo", { role: "moderator" })));
      return [
        s.refusedCall("GET /ws/stats", "AUTH_REQUIRED"),
        s.refusedCall("GET /ws/stats", "FORBIDDEN", { userId: "ada", by: "token" }),
        s.called("GET /ws/stats", { userId: "mo" }),
      ];
    },
  ],
  [
    "health and metrics",
    async (s) => {
      for (const path of ["/health", "/ready", "/metrics"]) await s.http(200, path);
      return [];
    },
  ],
];
