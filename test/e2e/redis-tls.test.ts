import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../auth/tokens.ts";
import { createCertificate } from "../support/certificate.ts";
import { NodeProcess } from "../support/node-process.ts";
import { token } from "../support/node.ts";
import { RawPeer } from "../support/peer.ts";
import { program } from "../support/programs.ts";
import { freePort, REDIS, TestRedis } from "../support/redis.ts";

/** A Redis behind TLS, whose certificate an authority of one's own has made. */

const OPENSSL = program("openssl", "openssl");

describe.skipIf(REDIS.path === null || OPENSSL.path === null)(
  `a Redis over TLS${REDIS.skipReason || OPENSSL.skipReason}`,
  () => {
    const directory = mkdtempSync(join(tmpdir(), "tautline-tls-"));
    const authority = join(directory, "certificate.pem");
    let redis: TestRedis;
    let url = "";

    beforeAll(async () => {
      const { certificate, key } = await createCertificate(OPENSSL.path ?? "openssl");
      writeFileSync(authority, certificate);
      writeFileSync(join(directory, "key.pem"), key);
      const port = String(await freePort());
      const files = ["--tls-cert-file", authority, "--tls-key-file", join(directory, "key.pem")];
      redis = await TestRedis.start([
        "--tls-port",
        port,
        ...files,
        "--tls-auth-clients",
        "no",
        "--tls-ca-cert-file",
        authority,
      ]);
      url = `rediss://localhost:${port}`;
    });

    afterAll(async () => {
      await redis.stop();
      rmSync(directory, { recursive: true, force: true });
    });

    const readiness = async (node: NodeProcess): Promise<number> =>
      (await fetch(`http://127.0.0.1:${node.port}/ready`)).status;

    test("carries messages from node to node where they are told of that authority", async () => {
      const settings = { BROKER_URL: url, NODE_EXTRA_CA_CERTS: authority };
      const nodes = [await NodeProcess.start(settings), await NodeProcess.start(settings)];
      const members: RawPeer[] = [];
      for (const [index, node] of nodes.entries()) {
        await until(async () => (await readiness(node)) === 200);
        const peer = await RawPeer.open(node.port, { path: `/ws?token=${token({ sub: `u${index}` })}` });
        peer.send({ type: "join_room", roomSlug: "r" });
        await peer.jsonOfType("room_joined");
        members.push(peer);
      }
      members[0]?.send({ type: "chat_message", roomSlug: "r", message: "over TLS" });
      for (const member of members) {
        expect(await member.jsonOfType("new_message")).toMatchObject({ data: { message: "over TLS" } });
        member.destroy();
      }
      for (const node of nodes) await node.stop();
    });

    test("is told nothing by a node that does not trust its certificate, and that node is not ready", async () => {
      const node = await NodeProcess.start({ BROKER_URL: url });
      expect(await readiness(node)).toBe(503);
      await node.stop();
    });
  },
);
