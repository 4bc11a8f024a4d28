import * as v from "valibot";
import { afterEach, describe, expect, test } from "bun:test";
import { FaultProxy } from "../chaos/fault-proxy.ts";
import { until } from "../observe/recorded-sink.ts";
import { codeOf } from "../support/client-rig.ts";
import { token } from "../support/node.ts";
import { client, own, started, stopOwned } from "../support/owned-clients.ts";

/** What the client shows to real nodes, and to whom not. */

afterEach(stopOwned);

const TICKET = v.object({ ticket: v.string() });
const WAYS = ["subprotocol", "first-message", "query"] as const;

describe("a token", () => {
  test("is replaced before it ends, and the connection stays", async () => {
    const { port } = await started({ CLOCK_TOLERANCE_S: "0" });
    const nowS = Math.floor(Date.now() / 1_000);
    let given = 0;
    const ada = client(port, { token: () => token({ sub: "ada", exp: nowS + (given++ === 0 ? 3 : 3_600) }) });
    const room = ada.join("general");
    await room.joined;
    const { status } = ada;
    await until(() => Date.now() / 1_000 > nowS + 4.5);
    expect(given).toBe(2);
    expect(ada.status).toBe(status);
    expect(await room.send("still here")).toMatchObject({ offset: 1 });
  }, 20_000);

  test("that has ended is replaced by the next connection, as after a sleep", async () => {
    const { port } = await started();
    const nowS = Math.floor(Date.now() / 1_000);
    let given = 0;
    const ada = client(port, {
      token: () => token({ sub: "ada", exp: nowS + (given++ === 0 ? -3_600 : 3_600) }),
      auth: "first-message",
    });
    const why: unknown[] = [];
    ada.on("status", (status) => status.state === "waiting" && why.push(status.why));
    await ada.join("general").joined;
    expect(why).toMatchObject([{ code: 4001, name: "TOKEN_EXPIRED" }]);
  });

  test("that stays a bad one ends the client with what is wrong", async () => {
    const { port } = await started();
    const ada = client(port, { token: token({ sub: "ada" }, "x".repeat(32)) });
    const joined = codeOf(ada.join("general").joined);
    expect(await joined).toBe("CLOSED");
    expect(ada.status).toMatchObject({ state: "closed", code: 4001, name: "AUTH_FAILED" });
  });
});

describe("a ticket", () => {
  test("opens each connection, and no token is in any address", async () => {
    const { port } = await started();
    const proxy = own(await FaultProxy.start({ to: { port } }));
    const urls: string[] = [];
    class Spied extends WebSocket {
      constructor(url: string, protocols: string[]) {
        super(url, protocols);
        urls.push(url);
      }
    }
    const ticket = async (): Promise<string> => {
      const headers = { Authorization: `Bearer ${token({ sub: "ada" })}` };
      const answer = await fetch(`http://127.0.0.1:${port}/api/ws/ticket`, { method: "POST", headers });
      if (!answer.ok) throw answer;
      return v.parse(TICKET, await answer.json()).ticket;
    };
    const ada = client(proxy.port, { ticket, WebSocket: Spied }, "/ws");
    const room = ada.join("general");
    await room.joined;
    let joins = 0;
    room.on("joined", () => (joins += 1));
    proxy.cutAll();
    await until(() => joins === 1);
    expect(urls).toHaveLength(2);
    for (const url of urls) expect(url).toMatch(/^ws:\/\/127\.0\.0\.1:\d+\/ws\?ticket=[\w-]{43}$/);
  });
});

describe("an address that answers with another address", () => {
  test("is one that refuses: no credential goes anywhere else", async () => {
    const asked: string[] = [];
    const elsewhere = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: ({ url }) => (asked.push(url), new Response()),
    });
    const redirecting = Bun.serve({
      ...{ port: 0, hostname: "127.0.0.1" },
      fetch: () => Response.redirect(`http://127.0.0.1:${elsewhere.port}/ws`, 307),
    });
    own({ stop: () => Promise.all([elsewhere.stop(true), redirecting.stop(true)]) });
    for (const auth of WAYS) {
      const ada = client(redirecting.port ?? 0, { auth });
      await until(() => ada.status.state === "waiting");
      expect(ada.status).toMatchObject({ why: { code: 0, name: "CONNECT_FAILED" } });
      await ada.close();
    }
    expect(asked).toEqual([]);
  });
});
