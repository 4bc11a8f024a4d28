import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { expectUndisturbed } from "../support/bystander.ts";
import { upgradeRequest } from "../support/http.ts";
import { TestNode, token } from "../support/node.ts";
import type { RawPeer } from "../support/peer.ts";
import { codeOf, expectRejected } from "../support/rejected.ts";

/** Cookie lines as no browser writes them, and as a neighbour's page may toss them. The Origin is a good one throughout. */

const APP = "https://app.example";
const SETTINGS = { ALLOWED_ORIGINS: APP, HANDSHAKES_PER_SECOND: "1000", HANDSHAKE_BURST: "1000" };

let node: TestNode;
let bystander: RawPeer;

beforeAll(async () => {
  node = await TestNode.start({ ...SETTINGS, AUTH_FAILURES_PER_MINUTE: "1000" });
  bystander = await node.connect("bystander");
});

afterAll(() => node.stop());

afterEach(async () => {
  await expectUndisturbed(bystander);
  expect((await node.metrics()).get("tautline_handler_failures_total")).toBe(0);
});

async function sent(lines: readonly string[], on: TestNode = node): Promise<RawPeer> {
  const peer = await on.peer();
  const headers = [...lines.map((line) => ["Cookie", line] as const), ["Origin", APP] as const];
  peer.writeRaw(Buffer.from(upgradeRequest({ path: "/ws", headers }), "latin1"));
  return peer;
}

const ada = token({ sub: "ada" });
const eve = token({ sub: "eve" });

describe("a cookie that comes twice is refused, never chosen from:", () => {
  test.each([
    ["in one line", [`access_token=${ada}; access_token=${eve}`]],
    ["in one line without a space", [`access_token=${ada};access_token=${eve}`]],
    ["in two lines", [`access_token=${ada}`, `access_token=${eve}`]],
    ["the same twice", [`access_token=${ada}; access_token=${ada}`]],
    ["with others between", [`access_token=${ada}; a=b; c; access_token=${eve}; d=e`]],
    ["the first of them empty", [`access_token=; access_token=${eve}`]],
    ["the last of them empty", [`access_token=${ada}; access_token=`]],
  ])("%s", async (_what, lines) => {
    const response = await expectRejected(await sent(lines), [400], [...ada.split("."), ...eve.split(".")]);
    expect(codeOf(response)).toBe("BAD_REQUEST");
  });
});

describe("is not the cookie:", () => {
  test.each([
    ["the name inside a value", `x=access_token=${ada}`],
    ["a name that ends like it", `xaccess_token=${ada}`],
    ["a name that begins like it", `access_tokens=${ada}`],
    ["the name in capitals", `ACCESS_TOKEN=${ada}`],
    ["the name with a prefix of browsers", `__Host-access_token=${ada}`],
    ["the name in quotes", `"access_token"=${ada}`],
    ["the name percent-encoded", `access%5ftoken=${ada}`],
    ["a value in quotes", `access_token="${ada}"`],
    ["a value percent-encoded", `access_token=${ada.replaceAll(".", "%2e")}`],
    ["a name of Object.prototype", `__proto__=${ada}; constructor=${ada}`],
    ["a value in quotes that hides another pair", `x="; access_token=${ada}"`],
    ["a comma between two pairs", `a=b, access_token=${ada}`],
    ["nothing but separators", ";;;=;==;"],
    ["bytes that are no UTF-8", "access_token=\xff\xfe; \xff=\xff"],
    ["an empty line", ""],
  ])("%s", async (_what, line) => {
    const response = await expectRejected(await sent([line]), [401], ada.split("."));
    expect(["AUTH_REQUIRED", "AUTH_FAILED"]).toContain(codeOf(response));
  });

  test("a thousand others", async () => {
    const line = Array.from({ length: 1_000 }, (_, index) => `c${index}=x`).join("; ");
    expect(codeOf(await expectRejected(await sent([line]), [401]))).toBe("AUTH_REQUIRED");
  });
});

test("the cookie is found among others, wherever it stands", async () => {
  for (const lines of [[`a=1; access_token=${ada}; b`], [`access_token = ${ada}`], ["a=1", `access_token=${ada}`]]) {
    const peer = await sent(lines);
    expect((await peer.response()).status).toBe(101);
    expect(await peer.json()).toMatchObject({ user: { id: "ada" } });
    peer.destroy();
  }
});

test("where the cookie has a name with a prefix that browsers guard, no other name counts", async () => {
  const guarded = await TestNode.start({ ...SETTINGS, COOKIE_NAME: "__Host-access_token" });
  // What a neighbour's page or plain HTTP can set stands in front, and changes nothing.
  const peer = await sent([`access_token=${eve}; __Host-access_token=${ada}`], guarded);
  expect((await peer.response()).status).toBe(101);
  expect(await peer.json()).toMatchObject({ user: { id: "ada" } });
  for (const name of ["access_token", "__host-access_token", "__Secure-access_token"]) {
    expect(codeOf(await expectRejected(await sent([`${name}=${ada}`], guarded), [401]))).toBe("AUTH_REQUIRED");
  }
  await guarded.stop();
});

test("on / a cookie is not read, good or bad, once or twice", async () => {
  for (const line of [`access_token=${ada}`, `access_token=${ada}; access_token=${eve}`, "access_token=x"]) {
    const peer = await node.upgraded({ path: "/", headers: [["Cookie", line]] });
    peer.send({ type: "ping", id: 1 });
    expect(await peer.json()).toMatchObject({ type: "error", code: "AUTH_REQUIRED", id: 1 });
    peer.destroy();
  }
});
