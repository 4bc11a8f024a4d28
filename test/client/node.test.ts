import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { FaultProxy } from "../chaos/fault-proxy.ts";
import { node22 } from "../support/node-22.ts";
import { TestNode, token } from "../support/node.ts";
import { PackedClient } from "../support/packed-client.ts";
import { TerminalProcess } from "../support/terminal-process.ts";

/** What npm pack makes, under the programs that it is for, against a node whose connections are cut. */

const TERMINAL = readFileSync(fileURLToPath(new URL("../support/client-terminal.js", import.meta.url)), "utf8");
const ROUNDS = 8;

let node: TestNode;
let proxy: FaultProxy;
let packed: PackedClient;
const running: TerminalProcess[] = [];

beforeAll(async () => {
  packed = new PackedClient();
  packed.write("client-terminal.js", TERMINAL);
  node = await TestNode.start();
  proxy = await FaultProxy.start({ to: { port: node.port } });
}, 60_000);
afterAll(async () => {
  await Promise.all(running.map((each) => each.kill()));
  await proxy.stop();
  await node.stop();
  packed.remove();
});

function client(program: string, room: string, format: string): TerminalProcess {
  const command = [program, `${packed.folder}/client-terminal.js`, `ws://127.0.0.1:${proxy.port}/ws`, room, format];
  const user = `${room}-${format}`;
  const started = new TerminalProcess(command, { PATH: process.env["PATH"] ?? "", TOKEN: token({ sub: user }) });
  running.push(started);
  return started;
}

function isConnected({ printed }: TerminalProcess): boolean {
  return printed.findLast((line) => line.startsWith("status ")) === "status connected";
}

async function cutAndRecover(program: string, room: string): Promise<void> {
  const clients = ["json", "msgpack"].map((format) => client(program, room, format));
  await Promise.all(clients.map((each) => each.until(() => each.printed.includes("joined"))));
  const lines: string[][] = clients.map(() => []);
  for (let round = 0; round < ROUNDS; round++) {
    // A fault is for connections that are open: each client has to have one.
    await Promise.all(clients.map((each) => each.until(() => isConnected(each))));
    const cutsBefore = clients.map((each) => each.timesPrinted("status waiting"));
    // Behind any byte of what they send or get next, or right away.
    if (round % 3 < 2) proxy.cutAfter(10 + 12 * round, round % 3 === 0 ? "toServer" : "toClient");
    for (const [index, each] of clients.entries()) {
      const line = `${round} of ${index}`;
      lines[index]?.push(line);
      each.type(line);
    }
    if (round % 3 === 2) proxy.cutAll();
    await Promise.all(
      clients.map((each, index) => each.until(() => each.timesPrinted("status waiting") > (cutsBefore[index] ?? 0))),
    );
    proxy.heal();
  }
  for (const [index, each] of clients.entries()) {
    await each.until(() => lines[index]?.every((line) => each.printed.includes(`confirmed ${line}`)) === true);
  }
  for (const each of clients) {
    await each.until(() => lines.flat().every((line) => each.printed.includes(`message ${line}`)));
    for (const [index, own] of lines.entries()) {
      const came = each.printed.filter((line) => line.startsWith("message ") && line.endsWith(`of ${index}`));
      expect(came).toEqual(own.map((line) => `message ${line}`));
    }
    expect(each.printed.filter((line) => line === "gap" || line.startsWith("failed"))).toEqual([]);
    expect(each.timesPrinted("status connected")).toBeGreaterThan(1);
    each.endInput();
    expect(await each.ended()).toBe(0);
    expect(each.said).toEqual([]);
    expect(each.printed.at(-1)).toBe("status closed");
  }
}

test("under Bun no message is lost or doubled, in either framing, however often the connections are cut", async () => {
  await cutAndRecover(process.execPath, "bun");
});

describe.skipIf(node22.path === null)(`Node 22${node22.skipReason}`, () => {
  test("is the oldest that the client is for", () => {
    const { stdout } = Bun.spawnSync([node22.path ?? "", "--version"], { stdout: "pipe" });
    expect(stdout.toString()).toStartWith("v22.");
  });

  test("loses and doubles no message, in either framing, however often the connections are cut", async () => {
    await cutAndRecover(node22.path ?? "", "node");
  });
});
