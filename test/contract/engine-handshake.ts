import { describe, expect } from "bun:test";
import { expectServed } from "../support/bystander.ts";
import { encodeFrame, OPCODE } from "../support/frames.ts";
import { SAMPLE_KEY, type UpgradeRequest, upgradeRequest } from "../support/http.ts";
import { eventsOf, eventually, held } from "./engine-client.ts";
import { HOSTILE_HOSTS, type EngineSuite } from "./engine-suite.ts";

/** What is upgraded, what is not, and what the application learns of it. */

/** Upgrade requests that are not answered 101, and the statuses that are right for each. */
const REFUSED: readonly { what: string; request: UpgradeRequest; body?: string; statuses: readonly number[] }[] = [
  { what: "the application refuses", request: { path: "/refuse" }, statuses: [401] },
  { what: "the application refuses later", request: { path: "/refuse-later" }, statuses: [401] },
  { what: "the application throws", request: { path: "/throw" }, statuses: [500] },
  { what: "the application rejects", request: { path: "/reject" }, statuses: [500] },
  { what: "an accepted header cannot be sent", request: { path: "/bad-header" }, statuses: [500] },
  { what: "the method is POST", request: { method: "POST" }, statuses: [405] },
  { what: "the method is PUT", request: { method: "PUT" }, statuses: [405] },
  { what: "the version is 8", request: { version: "8" }, statuses: [426] },
  { what: "there is no version", request: { version: null }, statuses: [400, 426] },
  { what: "Connection lacks the token", request: { connection: "keep-alive" }, statuses: [400] },
  { what: "Connection only contains the word", request: { connection: "upgraded, x-upgrade" }, statuses: [400] },
  { what: "there is no Connection", request: { connection: null }, statuses: [400] },
  { what: "there is no key", request: { key: null }, statuses: [400] },
  { what: "the key is no base64 of 16 bytes", request: { key: "abc" }, statuses: [400] },
  { what: "the key has 15 bytes", request: { key: "AAAAAAAAAAAAAAAAAAAA" }, statuses: [400] },
  { what: "the key has 17 bytes", request: { key: "AAAAAAAAAAAAAAAAAAAAAAA=" }, statuses: [400] },
  { what: "there are two keys", request: { headers: [["Sec-WebSocket-Key", SAMPLE_KEY]] }, statuses: [400] },
  { what: "there is no Host", request: { host: null }, statuses: [400] },
  { what: "there are two Hosts", request: { headers: [["Host", "other"]] }, statuses: [400] },
  { what: "it has a body", request: { headers: [["Content-Length", "5"]] }, body: "hello", statuses: [400] },
  {
    what: "it has a chunked body",
    request: { headers: [["Transfer-Encoding", "chunked"]] },
    body: "5\r\nhello\r\n0\r\n\r\n",
    statuses: [400],
  },
];

export function handshakePromises({ promise, serve, connect, open, refusedBeforeAnother }: EngineSuite): void {
  describe("handshake", () => {
    promise("answers the key of RFC 6455 with its accept value", async () => {
      const peer = await connect(await serve());
      const response = await peer.upgrade({ key: SAMPLE_KEY });
      expect(response.status).toBe(101);
      expect(response.headers.get("sec-websocket-accept")).toEqual(["s3pPLMBiTxaQ9kYGzzhZRbK+xOo="]);
      expect(response.headers.has("sec-websocket-extensions")).toBe(false);
    });

    promise("finds its tokens in lists, whatever their case", async () => {
      const peer = await connect(await serve());
      const response = await peer.upgrade({ upgrade: "h2c, WebSocket", connection: "keep-alive, UPGRADE" });
      expect(response.status).toBe(101);
    });

    for (const { what, request, body = "", statuses } of REFUSED) {
      promise(`is refused, and nothing behind it is answered, when ${what}`, async () => {
        const port = await serve();
        const bystander = await open(port, "bystander");
        const [response, ...others] = await refusedBeforeAnother(port, upgradeRequest(request) + body);
        expect(statuses).toContain(response?.status ?? 0);
        expect(response?.headers.get("connection")).toEqual(["close"]);
        expect(others).toEqual([]);
        // What the engine refuses, the application never accepted.
        const events = new Set(await eventsOf(bystander, ""));
        expect([...events]).toEqual(request.path === "/bad-header" ? ["abandoned "] : []);
        await expectServed(bystander);
      });
    }

    promise("tells the application of requests that broke the rules, and how they were answered", async () => {
      const port = await serve();
      const bystander = await open(port, "bystander");
      const posted = await connect(port);
      await posted.upgrade({ path: "/ws?name=posted", method: "POST" });
      const keyless = await connect(port);
      await keyless.upgrade({ path: "/ws?name=keyless", connection: "keep-alive" });
      expect(await eventsOf(bystander, "posted")).toEqual(["malformed posted 405"]);
      expect(await eventsOf(bystander, "keyless")).toEqual(["malformed keyless 400"]);
    });

    promise("a refusal carries the application's status, headers and body", async () => {
      const peer = await connect(await serve());
      const response = await peer.upgrade({ path: "/refuse" });
      expect(response).toMatchObject({ status: 401, body: "refused" });
      expect(response.headers.get("www-authenticate")).toEqual(["Bearer"]);
    });

    promise("a wrong version is told the right one", async () => {
      const peer = await connect(await serve());
      const response = await peer.upgrade({ version: "8" });
      expect(response.headers.get("sec-websocket-version")).toEqual(["13"]);
      expect(response.headers.get("upgrade")).toEqual(["websocket"]);
    });

    promise("hands over path, query, address and joined headers", async () => {
      const port = await serve();
      const peer = await connect(port);
      const headers = [
        ["X-Two-Lines", "1"],
        ["X-Two-Lines", "2"],
        ["Cookie", "a=1"],
        ["Cookie", "b=2"],
      ] as const;
      await peer.upgrade({ path: "/a%2Fb/c?name=x&y=%7E?", headers });
      peer.send({ do: "handshake" });
      expect(await peer.json()).toEqual({
        type: "handshake",
        path: "/a%2Fb/c",
        query: "name=x&y=%7E?",
        peerAddress: "127.0.0.1",
        headers: {
          host: "localhost",
          "user-agent": null,
          "x-two-lines": "1, 2",
          "x-absent": null,
          cookie: "a=1; b=2",
        },
      });
    });

    promise("can be read after a wait", async () => {
      const port = await serve();
      const control = await open(port, "control");
      const peer = await connect(port);
      peer.writeRaw(upgradeRequest({ path: "/hold?name=late", headers: [["User-Agent", "raw"]] }));
      await held(control, "late");
      control.send({ do: "release", text: "late" });
      expect((await peer.response()).status).toBe(101);
      peer.send({ do: "handshake" });
      expect(await peer.json()).toMatchObject({
        path: "/hold",
        query: "name=late",
        headers: { "user-agent": "raw" },
      });
    });

    promise("whose peer went away while it waited is abandoned and never opened", async () => {
      const port = await serve();
      const control = await open(port, "control");
      const peer = await connect(port);
      peer.writeRaw(upgradeRequest({ path: "/hold?name=gone" }));
      await held(control, "gone");
      peer.destroy();
      // Each answer is a turn of the server's loop, in which it sees the end of the other connection.
      for (let i = 0; i < 5; i++) await expectServed(control);
      control.send({ do: "release", text: "gone" });
      await eventually(control, "abandoned gone");
      expect(await eventsOf(control, "gone")).toEqual(["abandoned gone"]);
    });

    promise("that was accepted with an unsendable header is abandoned", async () => {
      const port = await serve();
      const control = await open(port, "control");
      const peer = await connect(port);
      expect((await peer.upgrade({ path: "/bad-header?name=bad" })).status).toBe(500);
      expect(await eventsOf(control, "bad")).toEqual(["abandoned bad"]);
    });

    promise("answers the chosen subprotocol and no other", async () => {
      const peer = await connect(await serve());
      const headers = [
        ["Sec-WebSocket-Protocol", "a, b"],
        ["Sec-WebSocket-Protocol", "c"],
      ] as const;
      const response = await peer.upgrade({ path: "/?subprotocol=b", headers });
      expect(response.headers.get("sec-websocket-protocol")).toEqual(["b"]);
    });

    for (const path of ["/", "/?extra"]) {
      promise(`echoes no subprotocol that was not chosen (${path})`, async () => {
        const peer = await connect(await serve());
        const response = await peer.upgrade({ path, headers: [["Sec-WebSocket-Protocol", "auth, secret"]] });
        expect(response.status).toBe(101);
        expect(response.headers.has("sec-websocket-protocol")).toBe(false);
        expect(response.headers.get("x-extra")).toEqual(path === "/" ? undefined : ["1"]);
      });
    }

    promise("that is answered at once loses no frame of its own packet", async () => {
      const peer = await connect(await serve());
      const frames = ["first", "second"].map((payload) => encodeFrame({ opcode: OPCODE.text, payload }));
      peer.writeRaw(Buffer.concat([Buffer.from(upgradeRequest()), ...frames]));
      expect((await peer.response()).status).toBe(101);
      expect([await peer.next(), await peer.next()]).toEqual(["first", "second"]);
    });

    for (const host of HOSTILE_HOSTS) {
      promise(`with the Host "${host}" is answered 400, or served`, async () => {
        const port = await serve();
        const bystander = await open(port, "bystander");
        const response = await (await connect(port)).upgrade({ host });
        expect([400, 101]).toContain(response.status);
        await expectServed(bystander);
      });
    }
  });
}
