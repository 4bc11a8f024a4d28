import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { UpgradeRequest } from "../support/http.ts";
import { nginxSkipReason, TestNginx } from "../support/nginx.ts";
import { TestNode, token } from "../support/node.ts";

/** What is written down of a client: by nginx, and by the node behind it. */

/** Every way to write a token into a handshake, good and bad ones. */
const CARRIERS: readonly ((jwt: string) => UpgradeRequest)[] = [
  (jwt) => ({ path: `/ws?token=${jwt}` }),
  (jwt) => ({ path: `/?token=${jwt}` }),
  (jwt) => ({ path: `/ws?Token=${jwt}` }),
  (jwt) => ({ path: `/ws?%74oken=${jwt}` }),
  (jwt) => ({ path: `/ws?x=1;token=${jwt}` }),
  (jwt) => ({ path: `/ws%3Ftoken=${jwt}` }),
  (jwt) => ({ path: `/ws;token=${jwt}` }),
  (jwt) => ({ path: "/ws", headers: [["Authorization", `Bearer ${jwt}`]] }),
  (jwt) => ({ path: "/ws", headers: [["Sec-WebSocket-Protocol", `auth, ${jwt}`]] }),
  (jwt) => ({ path: "/ws", headers: [["Cookie", `access_token=${jwt}`]] }),
  (jwt) => ({ path: "/ws", headers: [["Referer", `https://localhost/?token=${jwt}`]] }),
  // More than nginx takes in one line: it refuses that itself.
  (jwt) => ({ path: `/ws?token=${jwt}&pad=${"x".repeat(20_000)}` }),
  (jwt) => ({ path: `/ws?token=${jwt}`, headers: [["X-Bad\u0001Name", "x"]] }),
];

describe.skipIf(nginxSkipReason !== "")(`the logs of nginx and the node${nginxSkipReason}`, () => {
  let node: TestNode;
  let nginx: TestNginx;

  beforeEach(async () => {
    node = await TestNode.start({ TRUSTED_PROXIES: "127.0.0.1", LOG_LEVEL: "trace" });
    nginx = await TestNginx.start(node.port);
  });

  afterEach(async () => {
    await nginx.stop();
    await node.stop();
  });

  test("hold no part of a token, wherever it was, whether it was taken or not, with the node there or away", async () => {
    const tokens: string[] = [];
    const issue = (claims: Record<string, unknown>): string => {
      const jwt = token({ jti: crypto.randomUUID(), ...claims });
      tokens.push(jwt);
      return jwt;
    };
    const statuses: number[] = [];
    const sendAll = async (claims: Record<string, unknown>): Promise<void> => {
      for (const request of CARRIERS) statuses.push((await nginx.refused(request(issue(claims)))).status);
    };
    await sendAll({});
    await sendAll({ exp: 1 });
    const first = await nginx.upgraded({ path: "/" });
    first.send({ type: "auth", token: issue({}) });
    await first.jsonOfType("auth_success");
    const written = await node.writtenAfterStop();
    await sendAll({});
    expect(new Set(statuses)).toEqual(new Set([101, 400, 401, 403, 404, 414, 502]));

    const { access, error } = await nginx.logsAfterStop();
    expect(access).toContain('"status":502');
    const parts = tokens.flatMap((jwt) => jwt.split(".").slice(1));
    for (const text of [access, error, written]) expect(parts.filter((part) => text.includes(part))).toEqual([]);
  });

  test("would hold one in the error log at any other level, for nginx quotes the request there", async () => {
    const usual = await TestNginx.start(1, { "error.log emerg;": "error.log error;" });
    const jwt = token();
    expect((await usual.refused({ path: `/ws?token=${jwt}` })).status).toBe(502);
    expect((await usual.logsAfterStop()).error).toContain(jwt);
    await usual.stop();
  });

  test("say of every request who, what and how it ended, as JSON", async () => {
    const peer = await nginx.upgraded({ path: `/ws?token=${token()}` }, "127.0.0.7");
    await peer.jsonOfType("connected");
    await nginx.refused({ path: '/a"b?token=x' });
    const { access } = await nginx.logsAfterStop();
    const lines = access.trim().split("\n");
    const records = lines.map((line): Record<string, unknown> => JSON.parse(line));
    const upstream = `127.0.0.1:${node.port}`;
    expect(records).toContainEqual({
      ...{ time: expect.any(String), address: "127.0.0.7", method: "GET", path: "/ws", status: 101 },
      ...{ bytes: expect.any(Number), seconds: expect.any(Number), upstream, upstreamStatus: "101" },
    });
    expect(records).toContainEqual(expect.objectContaining({ address: "127.0.0.1", path: "/a", status: 404 }));
  });
});
