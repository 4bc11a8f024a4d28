import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { ENDPOINTS } from "../../src/hub/endpoints.ts";
import { expectUndisturbed } from "../support/bystander.ts";
import { type UpgradeRequest, upgradeRequest } from "../support/http.ts";
import { TestNode, token } from "../support/node.ts";
import type { RawPeer } from "../support/peer.ts";
import { codeOf, expectRejected } from "../support/rejected.ts";
import { writeWithAnother } from "../support/pipelined.ts";
import { rowsFor } from "../support/on-bun.ts";

/** Which pages may connect, asked by hand so that the header can be anything: with a cookie, which browsers send unasked, and with a token. */

const APP = "https://app.example";
const FAST = { HANDSHAKES_PER_SECOND: "1000", HANDSHAKE_BURST: "1000" };

let node: TestNode;
let bystander: RawPeer;

beforeAll(async () => {
  node = await TestNode.start({ ...FAST, ALLOWED_ORIGINS: `${APP},http://127.0.0.1:5173` });
  bystander = await node.connect("bystander");
});

afterAll(() => node.stop());

afterEach(async () => {
  await expectUndisturbed(bystander);
  expect((await node.metrics()).get("tautline_handler_failures_total")).toBe(0);
});

type Header = readonly [name: string, value: string];

const origin = (value: string): Header => ["Origin", value];
const bearer = (jwt: string): Header => ["Authorization", `Bearer ${jwt}`];
const cookie = (jwt: string): Header => ["Cookie", `access_token=${jwt}`];

/** The bytes as they are, `\xff` too, and something behind them that must never be answered. */
async function sent(request: UpgradeRequest, on: TestNode = node): Promise<RawPeer> {
  const peer = await on.peer();
  const followUp = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
  await writeWithAnother(peer, Buffer.from(upgradeRequest({ path: "/ws", ...request }), "latin1"), followUp);
  return peer;
}

async function expectForbidden(request: UpgradeRequest, jwt: string): Promise<void> {
  const response = await expectRejected(await sent(request), [403], jwt.split("."));
  expect(codeOf(response)).toBe("ORIGIN_FORBIDDEN");
}

async function expectUpgraded(request: UpgradeRequest): Promise<void> {
  const peer = await node.upgraded({ path: "/ws", ...request });
  expect(await peer.json()).toMatchObject({ type: "connected" });
  peer.destroy();
}

describe("is no page that may connect, with a cookie as with a token:", () => {
  test.each(
    rowsFor(
      "parser",
      ["bytes that are no UTF-8"],
      [
        ["another site", "https://evil.example"],
        ["the site as the beginning of another", "https://app.example.evil.com"],
        ["the site as the end of another", "https://evilapp.example"],
        ["the site as the beginning of a name", "https://app.exampleevil.com"],
        ["the site as the user of a URL", "https://app.example@evil.com"],
        ["the site with a dot behind it", "https://app.example."],
        ["the site without TLS", "http://app.example"],
        ["another port of the site", "https://app.example:8443"],
        ["a part of the site", "https://sub.app.example"],
        ["the site with a path", "https://app.example/"],
        ["the site's name alone", "app.example"],
        ["null, which sandboxed pages and files send", "null"],
        ["nothing", ""],
        ["a star", "*"],
        ["a port that is no number", "http://a:b"],
        ["an open bracket", "http://["],
        ["a scheme without its name", "://"],
        ["a percent sign", "%"],
        ["8 KiB of a letter", "a".repeat(8_192)],
        ["bytes that are no UTF-8", "https://app.example\xff\xfe"],
        ["a tab in the site", "https://app\t.example"],
        ["a file", "file://"],
        ["a browser's extension", "chrome-extension://x"],
        ["two origins in one line", `${APP}, ${APP}`],
        ["two origins with a space between", `${APP} https://evil.example`],
        ["a name of Object.prototype", "constructor"],
      ],
    ),
  )("%s", async (_what, value) => {
    const jwt = token();
    await expectForbidden({ headers: [cookie(jwt), origin(value)] }, jwt);
    await expectForbidden({ headers: [bearer(jwt), origin(value)] }, jwt);
    await expectForbidden({ path: `/ws?token=${jwt}`, headers: [origin(value)] }, jwt);
    // The list holds on `/` too, before anything was said.
    await expectForbidden({ path: "/", headers: [origin(value)] }, jwt);
  });

  test.each([
    ["the same twice", APP, APP],
    ["a good one first", APP, "https://evil.example"],
    ["a good one last", "https://evil.example", APP],
  ])("two Origin lines, %s", async (_what, first, second) => {
    const jwt = token();
    for (const credential of [cookie(jwt), bearer(jwt)]) {
      await expectForbidden({ headers: [credential, origin(first), origin(second)] }, jwt);
    }
  });
});

describe("may connect", () => {
  test.each([APP, "https://APP.example", "HTTPS://app.example", "https://app.example:443", "http://127.0.0.1:5173"])(
    "%s, with a cookie as with a token",
    async (value) => {
      await expectUpgraded({ headers: [cookie(token()), origin(value)] });
      await expectUpgraded({ headers: [bearer(token()), origin(value)] });
    },
  );

  test("without an Origin a token, and never a cookie", async () => {
    const jwt = token();
    await expectUpgraded({ headers: [bearer(jwt)] });
    await expectUpgraded({ path: `/ws?token=${jwt}` });
    await expectForbidden({ headers: [cookie(jwt)] }, jwt);
  });

  test("the node's own address, and no other address of its machine", async () => {
    const host = "node.example:8080";
    const jwt = token();
    await expectUpgraded({ host, headers: [cookie(jwt), origin(`http://${host}`)] });
    for (const value of [`https://${host}`, "http://node.example", "http://node.example:8081"]) {
      await expectForbidden({ host, headers: [cookie(jwt), origin(value)] }, jwt);
    }
  });
});

test("without a list no page may use a cookie but the node's own", async () => {
  const own = await TestNode.start(FAST);
  for (const value of [null, APP, "null", "*", "https://evil.example", "http://localhost:1"]) {
    const headers = [cookie(token()), ...(value === null ? [] : [origin(value)])];
    expect(codeOf(await expectRejected(await sent({ headers }, own), [403]))).toBe("ORIGIN_FORBIDDEN");
  }
  await own.stop();
});

test("every endpoint asks, however it refuses a token", async () => {
  for (const { path: template, readsCookies } of ENDPOINTS) {
    const path = template.replace(/\{\w+\}/g, "u1");
    const jwt = token();
    for (const value of ["https://evil.example", "null", "https://app.example.evil.com"]) {
      await expectForbidden({ path, headers: [cookie(jwt), origin(value)] }, jwt);
      await expectForbidden({ path, headers: [bearer(jwt), origin(value)] }, jwt);
    }
    if (readsCookies) await expectForbidden({ path, headers: [cookie(jwt)] }, jwt);
  }
});

test("what one node allows another of the same process does not", async () => {
  const other = await TestNode.start({ ALLOWED_ORIGINS: "https://other.example" });
  await expectUpgraded({ headers: [cookie(token()), origin(APP)] });
  const peer = await sent({ headers: [cookie(token()), origin(APP)] }, other);
  expect(codeOf(await expectRejected(peer, [403]))).toBe("ORIGIN_FORBIDDEN");
  await other.stop();
});

test("CORS lets no other origin read an answer, and none with credentials", async () => {
  for (const value of ["https://evil.example", "null", "*"]) {
    const response = await node.http("/health", { headers: { Origin: value } });
    const names = [...response.headers.keys()].filter((name) => name.startsWith("access-control-"));
    expect(names.filter((name) => /origin|credentials/.test(name))).toEqual([]);
  }
});
