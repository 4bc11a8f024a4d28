import { afterEach, describe, expect, test } from "bun:test";
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expectUndisturbed } from "../support/bystander.ts";
import { SECRET, token } from "../support/node.ts";
import { RawPeer } from "../support/peer.ts";

/** A node as a process whose output nobody reads, or whose reader goes away: `tautline start | something`. */

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const ends: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

interface Started {
  readonly child: Bun.Subprocess;
  readonly port: number;
  /** The reading end of its standard output. */
  readonly output: number;
  readonly errors: string;
}

/** With its audit in the log, so that every handshake is two lines. `preload` is a program that runs in front of it. */
async function start(settings: Record<string, string> = {}, preload: readonly string[] = []): Promise<Started> {
  const directory = mkdtempSync(join(tmpdir(), "tautline-"));
  ends.push(() => rmSync(directory, { recursive: true, force: true }));
  const [pipe, errors] = [join(directory, "stdout"), join(directory, "stderr")];
  expect(Bun.spawnSync(["mkfifo", pipe]).exitCode).toBe(0);
  const output = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
  const stdout = openSync(pipe, constants.O_WRONLY);
  const child = Bun.spawn([process.execPath, ...preload, join(ROOT, "src/main.ts")], {
    env: {
      ...{ NODE_ENV: "test", HOST: "127.0.0.1", PORT: "0", JWT_SECRET: SECRET, ACCOUNTS: "off", LOG_LEVEL: "info" },
      ...{ HANDSHAKES_PER_SECOND: "10000", HANDSHAKE_BURST: "10000", OVERLOAD_DELAY_MS: "60000", DRAIN_MS: "100" },
      ...settings,
    },
    ...{ stdin: "ignore", stdout, stderr: Bun.file(errors) },
  });
  closeSync(stdout);
  ends.push(async () => {
    child.kill("SIGKILL");
    await child.exited;
  });
  const said = await readUntil(output, (text) => text.includes("\n"));
  return { child, port: Number(/127\.0\.0\.1:(\d+)/.exec(said)?.[1]), output, errors };
}

async function readUntil(descriptor: number, isEnough: (text: string) => boolean): Promise<string> {
  const buffer = Buffer.alloc(65_536);
  let text = "";
  while (!isEnough(text)) {
    const bytes = readOrNone(descriptor, buffer);
    text += buffer.toString("latin1", 0, bytes);
    if (bytes === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  return text;
}

function readOrNone(descriptor: number, buffer: Buffer): number {
  try {
    return readSync(descriptor, buffer);
  } catch {
    return 0; // EAGAIN: nothing is there yet
  }
}

async function connected(port: number, userId: string): Promise<RawPeer> {
  const peer = await RawPeer.open(port, { path: `/ws?token=${token({ sub: userId })}` });
  ends.push(() => peer.destroy());
  await peer.jsonOfType("connected");
  return peer;
}

async function metric(port: number, name: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return Number(new RegExp(`^${name} (.+)$`, "m").exec(text)?.[1]);
}

/** More than a pipe holds: 64 KiB. */
async function handshakes(port: number, count: number): Promise<void> {
  for (let made = 0; made < count; made += 1) (await connected(port, `user-${made}`)).destroy();
}

describe("a node whose output", () => {
  test("nobody reads serves on, and loses no line as long as they fit in its memory", async () => {
    const { port, output } = await start();
    ends.push(() => closeSync(output));
    const bystander = await connected(port, "bystander");
    await handshakes(port, 300);
    await expectUndisturbed(bystander);
    expect((await fetch(`http://127.0.0.1:${port}/health`)).status).toBe(200);
    expect(await metric(port, "tautline_log_lost_total")).toBe(0);
    // A full pipe is no failure: it may be read at any time.
    expect(await metric(port, "tautline_log_errors_total")).toBe(0);
    const text = await readUntil(output, (read) => read.split('"event":"handshake"').length > 301);
    await expectUndisturbed(bystander);
    const lines = text.split("\n").slice(0, -1);
    for (const line of lines) expect(() => JSON.parse(line)).not.toThrow();
    expect(text.length).toBeGreaterThan(65_536);
  });

  test("has lost its reader serves on, counts the failures, and is ended by no signal", async () => {
    const { port, output, child } = await start();
    const bystander = await connected(port, "bystander");
    closeSync(output);
    await handshakes(port, 20);
    await expectUndisturbed(bystander);
    const deadline = performance.now() + 10_000;
    while ((await metric(port, "tautline_log_errors_total")) === 0) {
      if (performance.now() > deadline) throw new Error("no failure was counted");
    }
    const ready = await (await fetch(`http://127.0.0.1:${port}/ready`)).json();
    expect(ready).toEqual({ status: "ready", degraded: ["audit"] });
    expect(child.exitCode).toBeNull();
    child.kill("SIGTERM");
    expect((await bystander.closed()).code).toBe(1012);
    expect(await child.exited).toBe(0);
  }, 20_000);
});

describe("an exception that nobody caught", () => {
  test.each([
    ["thrown in a timer", 'setTimeout(() => { throw new Error("CANARY"); }, 0)'],
    ["in a promise that nobody owns", 'void Promise.reject(new TypeError("CANARY"))'],
    ["that is no error", "setTimeout(() => { throw 'CANARY'; }, 0)"],
  ])("%s is logged without its text, drains the node and ends it with 1", async (_what, fault) => {
    const directory = mkdtempSync(join(tmpdir(), "tautline-"));
    ends.push(() => rmSync(directory, { recursive: true, force: true }));
    const preload = join(directory, "fault.ts");
    await Bun.write(preload, `process.on("SIGUSR2", () => { ${fault}; });`);
    const { port, output, child, errors } = await start({}, ["--preload", preload]);
    ends.push(() => closeSync(output));
    const peer = await connected(port, "ada");
    child.kill("SIGUSR2");
    expect(await peer.jsonOfType("server_draining")).toMatchObject({ retryAfterMs: expect.any(Number) });
    expect((await peer.closed()).code).toBe(1012);
    expect(await child.exited).toBe(1);
    const said = readFileSync(errors, "utf8");
    expect(said).not.toMatch(/CANARY|\s+at /);
    const records = said.split("\n").filter((line) => line.startsWith("{"));
    expect(records.map((line) => JSON.parse(line))).toMatchObject([{ level: "fatal", msg: "uncaught" }]);
  });
});
