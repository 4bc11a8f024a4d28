import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { EXIT_CONFIG } from "../../src/config.ts";
import { expectUndisturbed } from "../support/bystander.ts";
import { NodeProcess } from "../support/node-process.ts";
import { SECRET, token } from "../support/node.ts";
import { RawPeer } from "../support/peer.ts";
import { program } from "../support/programs.ts";

/** Disks that have no room: for the audit log of a node that runs, for the output of one that starts. */

const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
const ENV = { NODE_ENV: "test", ACCOUNTS: "off", JWT_SECRET: SECRET };
const ends: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "tautline-"));
  ends.push(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const upgradeOf = (userId: string) => ({ path: `/ws?token=${token({ sub: userId, username: userId })}` });

async function greeted(connection: RawPeer, userId: string): Promise<RawPeer> {
  ends.push(() => connection.destroy());
  expect((await connection.upgrade(upgradeOf(userId))).status).toBe(101);
  await connection.jsonOfType("connected");
  return connection;
}

const prlimit = program("prlimit", "util-linux");

describe.skipIf(prlimit.path === null)(`a node whose audit file may grow no further${prlimit.skipReason}`, () => {
  const BLOCKS = 2_048;
  const RATES = { JOINS_PER_SECOND: "1000000", JOIN_BURST: "1000000", MESSAGES_PER_SECOND: "1000000" };
  /** Longer records fill the 8 MiB that are kept sooner. */
  const roomSlug = "r".repeat(190);
  const PAIRS = 500;

  test("serves on, keeps what fits, and says in the file how many records it has lost once there is room again", async () => {
    const path = join(newFolder(), "audit.log");
    const settings = { AUDIT_FILE: path, MESSAGE_BURST: "1000000", ...RATES };
    const node = await NodeProcess.start(settings, { fileBlocks: BLOCKS });
    ends.push(() => node.stop());
    const metric = async (name: string): Promise<number> => {
      const text = await (await fetch(`http://127.0.0.1:${node.port}/metrics`)).text();
      return Number(new RegExp(`^${name} (.+)$`, "m").exec(text)?.[1]);
    };
    const bystander = await greeted(await RawPeer.connect(node.port), "bystander");
    const ada = await greeted(await RawPeer.connect(node.port), "ada");
    let events = 2;
    const pairs = [
      { type: "join_room", roomSlug },
      { type: "leave_room", roomSlug },
    ];
    while ((await metric("tautline_audit_lost_total")) === 0) {
      ada.sendAll(Array.from({ length: PAIRS }, () => pairs).flat());
      for (let n = 0; n < PAIRS; n += 1) await ada.jsonOfType("room_left");
      events += 2 * PAIRS;
    }
    await expectUndisturbed(bystander);
    expect(statSync(path).size).toBe(BLOCKS * 512);
    const ready = await (await fetch(`http://127.0.0.1:${node.port}/ready`)).json();
    expect(ready).toEqual({ status: "ready", degraded: ["audit"] });

    node.liftFileLimit();
    const records = (): Record<string, unknown>[] =>
      readFileSync(path, "utf8")
        .split("\n")
        .slice(0, -1)
        .map((line) => JSON.parse(line));
    while (statSync(path).size === BLOCKS * 512 || records().at(-1)?.["event"] !== "audit.lost") {
      await expectUndisturbed(bystander);
    }
    const written = records();
    const lost = Number(written.at(-1)?.["lost"]);
    expect(lost).toBe(await metric("tautline_audit_lost_total"));
    expect(written.length - 1 + lost).toBe(events);
  });
});

describe("a node whose output has no room when it starts", () => {
  test("serves without its start line and its warnings, counts what it cannot log, and ends as it is told", async () => {
    const UNIX_SOCKET = join(newFolder(), "node.sock");
    const full = Bun.file("/dev/full");
    const child = Bun.spawn([process.execPath, MAIN], {
      // Trusting everybody is worth a warning.
      env: { ...ENV, UNIX_SOCKET, TRUSTED_PROXIES: "0.0.0.0/0", DRAIN_MS: "100" },
      ...{ stdin: "ignore", stdout: full, stderr: full },
    });
    ends.push(async () => {
      child.kill("SIGKILL");
      await child.exited;
    });
    const peer = await connectWhenThere(child, UNIX_SOCKET);
    await greeted(peer, "ada");
    await expectUndisturbed(peer);
    for (;;) {
      const text = await (await fetch("http://localhost/metrics", { unix: UNIX_SOCKET })).text();
      if (/^tautline_log_errors_total [1-9]/m.test(text)) break;
    }
    child.kill("SIGTERM");
    expect((await peer.closed()).code).toBe(1012);
    expect(await child.exited).toBe(0);
  });
});

describe("a node whose audit log is a pipe that nobody reads when it starts", () => {
  test("does not wait for a reader, but ends and says which setting is wrong", async () => {
    const pipe = join(newFolder(), "audit");
    expect(Bun.spawnSync(["mkfifo", pipe]).exitCode).toBe(0);
    const child = Bun.spawn([process.execPath, MAIN], {
      env: { ...ENV, PORT: "0", AUDIT_FILE: pipe },
      ...{ stdin: "ignore", stdout: "ignore", stderr: "pipe" },
    });
    ends.push(() => child.kill("SIGKILL"));
    expect(await child.exited).toBe(EXIT_CONFIG);
    expect(await new Response(child.stderr).text()).toMatch(/AUDIT_FILE.*ENXIO/);
  });
});

async function connectWhenThere(child: Bun.Subprocess, path: string): Promise<RawPeer> {
  for (;;) {
    const peer = await RawPeer.connectUnix(path).catch(() => null);
    if (peer !== null) return peer;
    if (child.exitCode !== null) throw new Error(`the node ended with ${child.exitCode}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
