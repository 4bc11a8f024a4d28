import { describe, expect } from "bun:test";
import { mkdtempSync, renameSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expectServed } from "../support/bystander.ts";
import { upgradeRequest } from "../support/http.ts";
import { RawPeer } from "../support/peer.ts";
import { ask, eventually } from "./engine-client.ts";
import { FLOW } from "./engine-server.ts";
import { HOSTILE_HOSTS, OPTIONS, type EngineSuite } from "./engine-suite.ts";

/** Other HTTP requests, and the listener itself. */

export function httpPromises({ promise, serve, connect, open, start, adopt, refusedBeforeAnother }: EngineSuite): void {
  describe("other HTTP requests", () => {
    promise("reach the application with their peer's address, and leave the connection open", async () => {
      const port = await serve();
      const peer = await connect(port);
      for (const path of ["/one?a=b", "/two"]) {
        const response = await peer.request(`GET ${path} HTTP/1.1\r\nHost: localhost:${port}\r\n\r\n`);
        const expected = { url: `http://localhost:${port}${path}`, method: "GET", address: "127.0.0.1" };
        expect(JSON.parse(response.body)).toEqual(expected);
        expect(response.headers.has("server")).toBe(false);
        expect(response.headers.has("x-powered-by")).toBe(false);
      }
    });

    for (const host of HOSTILE_HOSTS) {
      promise(`with the Host "${host}" are answered 400, or have a URL that can be parsed`, async () => {
        const peer = await connect(await serve());
        const response = await peer.request(`GET /path?q=1 HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
        if (response.status === 400) return;
        expect(response.status).toBe(200);
        const { url }: { url: string } = JSON.parse(response.body);
        expect(new URL(url)).toMatchObject({ pathname: "/path", search: "?q=1" });
      });
    }

    promise("with two Hosts are answered 400", async () => {
      const peer = await connect(await serve());
      const response = await peer.request("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
      expect(response.status).toBe(400);
    });

    promise("keep their body when they come without a host", async () => {
      const peer = await connect(await serve());
      const response = await peer.request("POST /length HTTP/1.1\r\nHost:\r\nContent-Length: 5\r\n\r\nhello");
      expect(response).toMatchObject({ status: 200, body: "5" });
    });

    promise("with a body over the limit are answered 413, counted or chunked", async () => {
      const port = await serve();
      const bystander = await open(port, "bystander");
      const head = "POST /length HTTP/1.1\r\nHost: localhost\r\n";
      const fits = await connect(port);
      const body = "b".repeat(1_000);
      expect(await fits.request(`${head}Content-Length: 1000\r\n\r\n${body}`)).toMatchObject({
        status: 200,
        body: "1000",
      });
      expect((await (await connect(port)).request(`${head}Content-Length: 1001\r\n\r\n`)).status).toBe(413);
      const chunked = `${head}Transfer-Encoding: chunked\r\n\r\n3e9\r\n${body}b\r\n0\r\n\r\n`;
      expect((await (await connect(port)).request(chunked)).status).toBe(413);
      await expectServed(bystander);
    });

    promise("may hold their answer open and stream it", async () => {
      const peer = await connect(await serve());
      const response = await peer.request("GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n");
      expect(response).toMatchObject({ status: 200, body: "one two" });
    });

    promise("have a streamed answer made at the pace of their peer, who gets all of it", async () => {
      const port = await serve();
      const [control, slow] = [await open(port, "control"), await connect(port)];
      slow.pause();
      slow.writeRaw("GET /flow HTTP/1.1\r\nHost: localhost\r\n\r\n");
      expect(await halted(control)).toBeLessThan(FLOW.length);
      slow.resume();
      const { body } = await slow.response();
      expect(body === FLOW.join("")).toBe(true);
      await expectServed(control);
    });

    promise("end the making of a streamed answer when their peer goes away", async () => {
      const port = await serve();
      const [control, slow] = [await open(port, "control"), await connect(port)];
      slow.pause();
      slow.writeRaw("GET /flow HTTP/1.1\r\nHost: localhost\r\n\r\n");
      await halted(control);
      slow.destroy();
      await eventually(control, "cancelled flow");
      await expectServed(control);
    });

    promise(
      "leave a connection that can be closed until the next one; requests under way and WebSockets go on",
      async () => {
        const port = await serve();
        const control = await open(port, "control");
        const [kept, sending] = [await connect(port), await connect(port)];
        expect((await kept.request("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")).status).toBe(200);
        sending.writeRaw("POST /length HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhe");
        expect((await (await connect(port)).request("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")).status).toBe(200);
        await ask(control, { do: "closeIdle" });
        await kept.ended();
        expect(await sending.request("llo")).toMatchObject({ status: 200, body: "5" });
        await expectServed(control);
      },
    );

    promise("that offer an upgrade to something else are answered, and closed", async () => {
      const responses = await refusedBeforeAnother(await serve(), upgradeRequest({ upgrade: "websocketx" }));
      expect(responses).toHaveLength(1);
      expect(responses[0]?.status).not.toBe(101);
      expect(responses[0]?.headers.get("connection")).toEqual(["close"]);
    });
  });

  describe("the listener", () => {
    promise("names the address when it is in use", async () => {
      const port = await serve();
      expect(await failureOf(start({ ...OPTIONS, port }))).toContain(`127.0.0.1:${port}`);
    });

    promise("ends every connection with 1001 when it stops, and is gone", async () => {
      const engine = await start(OPTIONS);
      const { port } = engine.address;
      const [a, b] = [await open(port, "a"), await open(port, "b")];
      await engine.stop();
      for (const peer of [a, b]) {
        expect((await peer.closed()).code).toBe(1001);
        await peer.ended();
      }
      expect(await failureOf(RawPeer.connect(port))).toContain("ECONNREFUSED");
      await engine.stop();
    });

    promise("serves a Unix socket, where peers have no address, also over the file of a dead process", async () => {
      const directory = mkdtempSync(join(tmpdir(), "tautline-"));
      const unixSocket = join(directory, "node.sock");
      try {
        await leaveStaleSocket(unixSocket);
        const engine = await start({ ...OPTIONS, unixSocket });
        adopt(engine);
        expect(engine.address).toEqual({ url: `unix:${unixSocket}`, port: 0 });
        using peer = await RawPeer.connectUnix(unixSocket, { conforms: false });
        expect((await peer.upgrade({ path: "/?name=a" })).status).toBe(101);
        expect(await ask(peer, { do: "handshake" })).toMatchObject({ peerAddress: "" });
        expect(await failureOf(start({ ...OPTIONS, unixSocket }))).toContain(unixSocket);
        await expectServed(peer);
      } finally {
        rmSync(directory, { recursive: true });
      }
    });
  });
}

/** A socket file nobody listens on: closing the server removes the name it was bound to, not the one it has. */
async function leaveStaleSocket(path: string): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(`${path}.bound`, resolve));
  renameSync(`${path}.bound`, path);
  await new Promise((resolve) => server.close(resolve));
}

/** What it was rejected with, as text. */
function failureOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "no failure",
    (error: unknown) => String(error),
  );
}

/** How many pieces of `/flow` were made when no more are: the same number for as many answers as it takes the kernel to move what it has. */
async function halted(control: RawPeer): Promise<number> {
  let [pieces, unchanged] = [0, 0];
  while (unchanged < 200) {
    const { pieces: now } = await ask(control, { do: "flowed" });
    unchanged = now === pieces && pieces > 0 ? unchanged + 1 : 0;
    pieces = Number(now);
  }
  return pieces;
}
