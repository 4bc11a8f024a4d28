import { afterEach, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { loadConfig } from "../../src/config.ts";
import { NGINX_CONF, NGINX_S3, nginxSkipReason, TestNginx } from "../support/nginx.ts";
import { SECRET, TestNode, token } from "../support/node.ts";

/** Times and sizes of deploy/nginx.conf, beside the node's own. */

/** Every value of a directive, in seconds or bytes where it is a time or a size. */
function values(directive: string): number[] {
  const units: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, k: 1_024, "": 1 };
  const found = [...NGINX_CONF.matchAll(new RegExp(`^ *${directive} (?:\\d+ )?(\\d+)([smhk]?);`, "gm"))];
  return found.map(([, number, unit = ""]) => Number(number) * (units[unit] ?? Number.NaN));
}

const { config } = loadConfig({ JWT_SECRET: SECRET }, (path) => readFileSync(path, "utf8"));

describe("deploy/nginx.conf", () => {
  test.each(["proxy_read_timeout", "proxy_send_timeout", "send_timeout"])(
    "lets a quiet connection live by the node's pings, and leaves its end to the node: %s",
    (directive) => {
      const [seconds = 0, ...others] = values(directive);
      expect(others).toEqual([]);
      expect(seconds * 1_000).toBeGreaterThan(2 * config.pingIntervalMs);
      expect(seconds * 1_000).toBeGreaterThan(config.pongTimeoutMs);
    },
  );

  test("waits ten seconds for the headers, and has room for the longest token in one of their lines", () => {
    expect(values("client_header_timeout")).toEqual([10]);
    expect(values("large_client_header_buffers")[0]).toBeGreaterThan(8_192 + 1_024);
  });

  test("buffers nothing that the node sends, and appends to no header", () => {
    expect(NGINX_CONF).toMatch(/^ *proxy_buffering off;$/m);
    expect(NGINX_CONF + NGINX_S3).not.toContain("proxy_add_x_forwarded_for");
  });

  test("sets its headers in one place: a location with one of its own would lose all the others", () => {
    for (const [, body = ""] of (NGINX_CONF + NGINX_S3).matchAll(/^ *location [^{]*\{([^}]*)\}/gm)) {
      expect(body).not.toMatch(/proxy_set_header|error_log|access_log/);
    }
  });
});

describe.skipIf(nginxSkipReason !== "")(`nginx and the node behind it${nginxSkipReason}`, () => {
  let node: TestNode;
  let nginx: TestNginx;

  afterEach(async () => {
    await nginx.stop();
    await node.stop();
  });

  async function start(settings: Record<string, string>, changes: Record<string, string>): Promise<void> {
    node = await TestNode.start({ TRUSTED_PROXIES: "127.0.0.1", ...settings });
    nginx = await TestNginx.start(node.port, changes);
  }

  const SHORT = { "proxy_read_timeout 120s;": "proxy_read_timeout 1s;" };

  test("keep a quiet connection for longer than the read timeout, as long as pings come within it", async () => {
    await start({ PING_INTERVAL_MS: "100" }, SHORT);
    const peer = await nginx.upgraded({ path: `/ws?token=${token()}` });
    await peer.until("pings for longer than the timeout", () => (peer.receivedPings >= 20 ? true : undefined));
    expect(peer.isEnded).toBe(false);
  });

  test("lose a quiet connection without a close code when pings come less often: what the times above are for", async () => {
    await start({ PING_INTERVAL_MS: "60000" }, SHORT);
    const peer = await nginx.upgraded({ path: `/ws?token=${token()}` });
    expect((await peer.closed()).code).toBe(1006);
  });

  test("end a request whose headers drip, at a time that no byte moves", async () => {
    await start({}, { "client_header_timeout 10s;": "client_header_timeout 1s;" });
    const peer = await nginx.peer();
    const startedMs = performance.now();
    peer.writeRaw("GET /ws HTTP/1.1\r\nHost: localhost\r\nX-Drip: ");
    const drip = setInterval(() => peer.writeRaw("x"), 50);
    await peer.ended().finally(() => clearInterval(drip));
    expect(performance.now() - startedMs).toBeWithin(900, 4_500);
    expect((await node.metrics()).get("tautline_connections")).toBe(0);
  });

  test("refuse a body over 64 KiB at nginx, and take one below it", async () => {
    await start({ ACCOUNTS: "on" }, {});
    const post = async (bytes: number): Promise<number> => {
      const body = JSON.stringify({ username: "ada", password: "correct horse", pad: "" }).padEnd(bytes, " ");
      const head = `POST /api/register HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n`;
      const peer = await nginx.peer();
      return (await peer.request(`${head}Content-Length: ${bytes}\r\n\r\n${body}`)).status;
    };
    expect(await post(65_537)).toBe(413);
    expect(await post(65_536)).toBe(201);
  });

  test("take a token of eight thousand characters in the query", async () => {
    await start({}, {});
    const jwt = token({ pad: "x".repeat(5_900) });
    expect(jwt.length).toBeWithin(8_000, 8_193);
    await (await nginx.upgraded({ path: `/ws?token=${jwt}` })).jsonOfType("connected");
  });
});
