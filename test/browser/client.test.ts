import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Browser } from "playwright-core";
import { FaultProxy } from "../chaos/fault-proxy.ts";
import { fieldsOf, textOf } from "../chaos/framing.ts";
import { chromiumProgram, ClientPage, serveApplication, startChromium } from "../support/client-page.ts";
import { TestNode, token } from "../support/node.ts";

/** The client as a browser has it: a real page of Chromium, a real node, and a proxy between them that takes the network away. */

const JWT = token({ sub: "ada", username: "ada" });

describe.skipIf(chromiumProgram.path === null)(`the client in Chromium${chromiumProgram.skipReason}`, () => {
  let node: TestNode;
  let proxy: FaultProxy;
  let server: Bun.Server<undefined>;
  let browser: Browser;
  let page: ClientPage;

  beforeAll(async () => {
    node = await TestNode.start();
    proxy = await FaultProxy.start({ to: { port: node.port } });
    server = await serveApplication({ token: () => JWT, ticket });
    browser = await startChromium();
    page = await ClientPage.open(browser, server.url.origin);
  }, 60_000);
  afterAll(async () => {
    await browser.close();
    await server.stop(true);
    await proxy.stop();
    await node.stop();
  });

  async function ticket(): Promise<string> {
    const response = await node.http("/api/ws/ticket", { method: "POST", headers: { Authorization: `Bearer ${JWT}` } });
    return textOf(fieldsOf(await response.json()), "ticket");
  }

  const at = (query: Record<string, string>) => ({ url: `ws://127.0.0.1:${proxy.port}/ws`, ...query });

  /** Chromium leaves WebSockets that are open as they are when it is told to be offline. */
  async function networkGoes(): Promise<void> {
    await page.context.setOffline(true);
    proxy.refuse();
    proxy.cutAll();
    await page.until("app.client.status.state !== 'connected'");
  }

  async function networkComes(): Promise<void> {
    proxy.heal();
    await page.context.setOffline(false);
  }

  test.each(["json", "msgpack"])(
    "what is sent without a network arrives once and in order when it is back, in %s",
    async (format) => {
      const [other, observer] = [await node.member("bob", format), await node.member("eve", format)];
      await page.load(at({ room: format, format }));
      await page.send("before");
      await page.until("app.confirmed.length === 1");
      await networkGoes();
      await page.send("first", "second", "third");
      other.send({ type: "chat_message", roomSlug: format, message: "missed" });
      await other.jsonOfType("message_sent");
      expect((await page.app()).confirmed).toEqual(["before"]);
      await networkComes();
      await page.until("app.confirmed.length === 4 && app.messages.length === 5");

      const { statuses, messages, confirmed, failed, gaps } = await page.app();
      expect(messages).toEqual(["before", "missed", "first", "second", "third"]);
      expect({ confirmed, failed, gaps }).toEqual({
        confirmed: ["before", "first", "second", "third"],
        failed: [],
        gaps: 0,
      });
      expect(statuses.slice(0, 3)).toEqual(["connecting", "connected", "waiting"]);
      expect(statuses.slice(-2)).toEqual(["connecting", "connected"]);
      expect(page.errors).toEqual([]);
      const arrived = [];
      for (let i = 0; i < 5; i++) arrived.push(await observer.jsonOfType("new_message"));
      expect(arrived.map((frame) => textOf(fieldsOf(frame["data"]), "message"))).toEqual(messages);
    },
  );

  test("with tickets no token is in any address that the page asks for", async () => {
    page.urls.length = 0;
    await page.load(at({ room: "tickets", ticket: "" }));
    await networkGoes();
    await networkComes();
    await page.until("app.client.status.state === 'connected'");
    const sockets = page.urls.filter((url) => url.startsWith("ws:"));
    expect(sockets.length).toBeGreaterThan(1);
    const tickets = sockets.map((url) => new URL(url).searchParams.get("ticket"));
    expect(new Set(tickets).size).toBe(sockets.length);
    expect(page.urls.filter((url) => url.includes(JWT) || url.includes("token="))).toEqual([]);
  });

  test("a token by subprotocol is in no address either", async () => {
    page.urls.length = 0;
    await page.load(at({ room: "subprotocol" }));
    expect(page.urls.some((url) => url.startsWith("ws:"))).toBe(true);
    expect(page.urls.filter((url) => url.includes(JWT))).toEqual([]);
  });

  test("a page that is loaded again joins again, as the same user and not as a second one", async () => {
    const other = await node.member("carol", "reload");
    await page.load(at({ room: "reload" }));
    expect(await other.jsonOfType("user_joined")).toMatchObject({ data: { username: "ada" } });
    await page.page.reload();
    await page.joined();
    await page.send("again");
    await page.until("app.messages.length === 1");
    other.send({ type: "presence", roomSlug: "reload" });
    expect(await other.jsonOfType("presence_state")).toMatchObject({ userCount: 2 });
    expect((await page.app()).statuses).toEqual(["connecting", "connected"]);
  });
});
