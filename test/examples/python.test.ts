import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { fileURLToPath } from "node:url";
import { FaultProxy } from "../chaos/fault-proxy.ts";
import { TestNode, token } from "../support/node.ts";
import { pythonWith } from "../support/programs.ts";
import { TerminalProcess } from "../support/terminal-process.ts";

const CHAT = fileURLToPath(new URL("../../examples/python/chat.py", import.meta.url));
const websockets = pythonWith("websockets", "python3-websockets");
const msgpack = pythonWith("websockets, msgpack", "python3-msgpack");
const python = msgpack.path === null ? msgpack : websockets;
const ROOM = "general";
const API_KEY = "the-key-of-the-backend";
const HISTORY_SIZE = 15;

describe.skipIf(python.path === null)(`the client in Python${python.skipReason}`, () => {
  let node: TestNode;
  let proxy: FaultProxy;
  const running: TerminalProcess[] = [];

  beforeAll(async () => {
    node = await TestNode.start({ API_KEY, HISTORY_SIZE: String(HISTORY_SIZE) });
    proxy = await FaultProxy.start({ to: { port: node.port } });
  });
  afterAll(async () => {
    await Promise.all(running.map((each) => each.kill()));
    await proxy.stop();
    await node.stop();
  });

  function chat(user: string, framing: string, jwt = token({ sub: user, username: user })): TerminalProcess {
    const command = [msgpack.path ?? "", CHAT, `ws://127.0.0.1:${proxy.port}/ws`, ROOM, "--framing", framing];
    const { PATH = "", PYTHONPATH = "" } = process.env;
    // Without the last one Python writes its cache beside the example.
    const env = { PATH, PYTHONPATH, TAUTLINE_TOKEN: jwt, PYTHONDONTWRITEBYTECODE: "1" };
    const started = new TerminalProcess(command, env);
    running.push(started);
    return started;
  }

  test("in either framing every message arrives once and in order, however often the connections are cut", async () => {
    const [ada, bob] = [chat("ada", "json"), chat("bob", "msgpack")];
    await Promise.all([ada, bob].map((each) => each.until(() => each.count("connected") === 1)));
    // Who has heard itself is a member.
    for (const each of [ada, bob]) {
      each.type("hello");
      await each.until(() => each.count("confirmed as") === 1);
    }
    const lines = ["one", "two", "three", "four", "five"].flatMap((round) => [`${round} of ada`, `${round} of bob`]);
    for (const [index, line] of lines.entries()) {
      if (index % 2 === 0) proxy.cutAfter(100 + 40 * index, index % 4 === 0 ? "toClient" : "toServer");
      (index % 2 === 0 ? ada : bob).type(line);
      if (index % 2 === 1) {
        proxy.heal();
        proxy.cutAll();
      }
    }
    const own = (user: string): string[] => lines.filter((line) => line.endsWith(user));
    for (const [reader, name] of [
      [ada, "ada"],
      [bob, "bob"],
    ] as const) {
      await reader.until(() => own(name).every((line) => reader.said.some((said) => said.endsWith(`: ${line}`))));
    }
    for (const reader of [ada, bob]) {
      await reader.until(() => lines.every((line) => reader.printed.some((printed) => printed.endsWith(`: ${line}`))));
      for (const user of ["ada", "bob"]) {
        const of = reader.printed.filter((line) => line.startsWith(`${user}: `) && !line.endsWith("hello"));
        expect(of).toEqual(own(user).map((line) => `${user}: ${line}`));
      }
      expect(reader.count("connected")).toBeGreaterThan(1);
      expect(reader.count("messages of")).toBe(0);
      expect(await reader.interrupt()).toBe(0);
    }
  });

  test("it says when messages are lost to it, and stops where coming back is pointless", async () => {
    const eve = chat("eve", "json");
    await eve.until(() => eve.count("connected") === 1);
    eve.type("hello");
    await eve.until(() => eve.count("confirmed as") === 1);
    proxy.refuse();
    proxy.cutAll();
    const other = await node.member("other", ROOM);
    for (let i = 0; i < 2 * HISTORY_SIZE; i++)
      other.send({ type: "chat_message", roomSlug: ROOM, message: `missed ${i}` });
    for (let i = 0; i < 2 * HISTORY_SIZE; i++) await other.jsonOfType("message_sent");
    proxy.heal();
    await eve.until(() => eve.count(`messages of ${ROOM} are lost`) === 1);
    other.send({ type: "chat_message", roomSlug: ROOM, message: "not missed" });
    await eve.until(() => eve.printed.length > 1);
    expect(eve.printed).toEqual(["eve: hello", "other: not missed"]);

    await node.http("/api/users/eve/disconnect", {
      method: "POST",
      headers: { "X-API-Key": API_KEY, "Content-Type": "application/json" },
      body: "{}",
    });
    expect(await eve.ended()).toBe(1);
    expect(eve.said.at(-1)).toBe("stopped: FORBIDDEN");
  });

  test("it asks for a token at every attempt, and gives up when that is refused three times", async () => {
    const late = chat("late", "msgpack", token({ sub: "late", exp: 1_000 }));
    expect(await late.ended()).toBe(1);
    expect(late.count("away (401)")).toBe(2);
    expect(late.said.at(-1)).toBe("stopped: AUTH_FAILED");
  });
});
