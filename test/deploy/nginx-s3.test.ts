import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { client, Page } from "../seeds/page.ts";
import { nginxSkipReason, TestNginx } from "../support/nginx.ts";
import { TestNode, token } from "../support/node.ts";

/** deploy/nginx-s3.conf: clients that connect to /ws and authenticate by their first frame. */

const JOHN = { sub: 123, username: "johndoe", name: "John Doe" };
const HOST = "ws://localhost:5000";
const WITH_S3 = { "# include /etc/nginx/nginx-s3.conf;": "include /etc/nginx/nginx-s3.conf;" };

describe.skipIf(nginxSkipReason !== "")(`nginx with /ws mapped to /${nginxSkipReason}`, () => {
  let node: TestNode;
  let nginx: TestNginx;
  let page: Page;

  beforeEach(async () => {
    node = await TestNode.start({ TRUSTED_PROXIES: "127.0.0.1" });
    nginx = await TestNginx.start(node.port, WITH_S3);
    page = new Page({}, nginx.ca);
  });

  afterEach(async () => {
    await page.leave();
    await nginx.stop();
    await node.stop();
  });

  const address = (): string => `wss://localhost:${nginx.port}/ws`;

  test("takes the configuration without a warning", () => {
    const { status, said } = nginx.check();
    expect(status).toBe(0);
    expect(said).not.toMatch(/warn|emerg|alert/);
  });

  test("serves the client as it stands: connected, authenticated, joined, and heard", async () => {
    page.enter(client("s3-connect", { [HOST]: address() }));
    await page.until("the connection", () => (page.logged.length > 0 ? true : undefined));
    page.enter(client("s3-authenticate", { "your-jwt-access-token": token(JOHN) }));
    expect(await page.frame("auth_success")).toMatchObject({ user: { id: 123, username: "johndoe" } });
    page.enter(client("s3-join-room", {}));
    expect(await page.frame("room_joined")).toMatchObject({ userCount: 1 });
    page.enter(client("s3-chat-message", {}));
    expect(await page.frame("new_message")).toMatchObject({ data: { message: "Hello everyone!" } });
  });

  test("serves the client that reconnects, as it stands", async () => {
    page = new Page({ jwtToken: token(JOHN) }, nginx.ca);
    page.enter(client("s3-reconnecting-client", { [HOST]: address() }));
    const frame = await page.frame("auth_success");
    await page.until("the log", () => (page.logged.length >= 2 ? true : undefined));
    expect(page.logged).toEqual([["Connected"], ["Received:", frame]]);
  });

  test("tells the client why a token was refused, by frame and close code", async () => {
    page.enter(client("s3-connect", { [HOST]: address() }));
    await page.until("the connection", () => (page.logged.length > 0 ? true : undefined));
    page.enter(client("s3-authenticate", { "your-jwt-access-token": "garbage" }));
    await page.frame("auth_error");
    expect(await page.until("the close", () => page.closes[0])).toBe(4001);
  });

  test("keeps the client's address, and takes a token in the handshake too", async () => {
    const peer = await nginx.upgraded({ path: `/ws?token=${token()}` }, "127.0.0.7");
    await peer.jsonOfType("auth_success");
    expect(await node.auditAfterStop()).toContainEqual(
      expect.objectContaining({ event: "connection.accepted", address: "127.0.0.7" }),
    );
  });
});
