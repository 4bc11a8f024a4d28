import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nginxSkipReason, TestNginx } from "../support/nginx.ts";
import { TestNode, token } from "../support/node.ts";

/** What the node behind nginx believes about a client: what nginx saw, never what the client said. */

const SPOOFED = "203.0.113.66";

describe.skipIf(nginxSkipReason !== "")(`a client behind nginx${nginxSkipReason}`, () => {
  let node: TestNode;
  let nginx: TestNginx;

  beforeEach(async () => {
    node = await TestNode.start({ TRUSTED_PROXIES: "127.0.0.1", AUTH_FAILURES_PER_MINUTE: "3" });
    nginx = await TestNginx.start(node.port);
  });

  afterEach(async () => {
    await nginx.stop();
    await node.stop();
  });

  test.each(["X-Forwarded-For", "x-forwarded-for", "Forwarded", "X-Real-IP"])(
    "is known by its own address, whatever it says in %s",
    async (name) => {
      const value = name === "Forwarded" ? `for=${SPOOFED}` : SPOOFED;
      const request = { path: `/ws?token=${token()}`, headers: [[name, value]] as const };
      const peer = await nginx.upgraded(request, "127.0.0.7");
      await peer.jsonOfType("connected");
      const audit = await node.auditAfterStop();
      const accepted = audit.find(({ event }) => event === "connection.accepted");
      expect(accepted).toMatchObject({ address: "127.0.0.7" });
      expect(JSON.stringify(audit)).not.toContain(SPOOFED);
    },
  );

  test("is known by its own address where the node reads X-Real-IP instead", async () => {
    const other = await TestNode.start({ TRUSTED_PROXIES: "127.0.0.1", FORWARDED_HEADER: "x-real-ip" });
    const proxy = await TestNginx.start(other.port);
    const request = { path: `/ws?token=${token()}`, headers: [["X-Real-IP", SPOOFED]] as const };
    await (await proxy.upgraded(request, "127.0.0.7")).jsonOfType("connected");
    const audit = await other.auditAfterStop();
    expect(JSON.stringify(audit)).not.toContain(SPOOFED);
    await proxy.stop();
    await other.stop();
  });

  test("is known by its own address where the node listens on a Unix socket", async () => {
    const folder = mkdtempSync(join(tmpdir(), "tautline-"));
    chmodSync(folder, 0o755);
    const socket = join(folder, "node.sock");
    const other = await TestNode.start({ TRUSTED_PROXIES: "127.0.0.1", PORT: null, UNIX_SOCKET: socket });
    chmodSync(socket, 0o666);
    const proxy = await TestNginx.start(0, { "server 127.0.0.1:8080;": `server unix:${socket};` });
    const request = { path: `/ws?token=${token()}`, headers: [["X-Forwarded-For", SPOOFED]] as const };
    await (await proxy.upgraded(request, "127.0.0.7")).jsonOfType("connected");
    expect(await other.auditAfterStop()).toContainEqual(
      expect.objectContaining({ event: "connection.accepted", address: "127.0.0.7" }),
    );
    await proxy.stop();
    await other.stop();
    rmSync(folder, { recursive: true });
  });

  test("is limited by itself: failures of one address are not those of another", async () => {
    const statusFrom = async (address: string, bad: string): Promise<number> =>
      (await (await nginx.peer(address)).upgrade({ path: `/ws?token=${bad}` })).status;
    const statuses: number[] = [];
    for (const bad of ["a.a.a", "b.b.b", "c.c.c", "d.d.d"]) statuses.push(await statusFrom("127.0.0.7", bad));
    expect(statuses).toEqual([401, 401, 401, 429]);
    expect(await statusFrom("127.0.0.8", "a.a.a")).toBe(401);
  });

  test("is on the same site for its cookie by the host and scheme that nginx saw, not by X-Forwarded-Host", async () => {
    const cookie = ["Cookie", `access_token=${token()}`] as const;
    const own = ["Origin", `https://localhost:${nginx.port}`] as const;
    await (await nginx.upgraded({ path: "/ws", headers: [cookie, own] })).jsonOfType("connected");
    const foreign = ["Origin", "https://evil.example"] as const;
    for (const name of ["X-Forwarded-Host", "x-forwarded-host"]) {
      const { status } = await nginx.refused({ path: "/ws", headers: [cookie, foreign, [name, "evil.example"]] });
      expect(status).toBe(403);
    }
    const { status } = await nginx.refused({
      path: "/ws",
      headers: [cookie, ["Origin", `http://localhost:${nginx.port}`], ["X-Forwarded-Proto", "http"]],
    });
    expect(status).toBe(403);
  });
});
