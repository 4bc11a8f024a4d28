import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { TestNode, token } from "../support/node.ts";
import { TerminalProcess } from "../support/terminal-process.ts";

/** The examples of docs/client.md as they stand: only the address is that of a node of the test, and the server of the application one of its own. */

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const DOCUMENT = readFileSync(`${ROOT}docs/client.md`, "utf8");
const [first = "", ticket = "", session = "", room = ""] = [...DOCUMENT.matchAll(/```ts\n(.*?)```/gs)].map(
  ([, code = ""]) => code,
);
const JOIN = `await client.join("lobby").joined; console.log("joined"); await client.close();`;

let node: TestNode;
let application: Bun.Server<undefined>;

beforeAll(async () => {
  node = await TestNode.start();
  const headers = { Authorization: `Bearer ${token({ sub: "ada" })}` };
  application = Bun.serve({
    ...{ hostname: "127.0.0.1", port: 0 },
    routes: {
      "/my/ticket": { POST: () => node.http("/api/ws/ticket", { method: "POST", headers }) },
      "/my/token": () => new Response(token({ sub: "ada" })),
      "/my/ended/token": () => new Response(null, { status: 401 }),
    },
  });
});
afterAll(async () => {
  await application.stop(true);
  await node.stop();
});

function started(...parts: readonly string[]): TerminalProcess {
  const given = `const fetchToken = async () => ${JSON.stringify(token({ sub: "ada", username: "ada" }))};
const showTrouble = console.log;`;
  const imported = `import { connect } from "tautline/client";`;
  const code = [imported, given, ...parts.map((part) => part.replace(imported, ""))].join("\n");
  const here = code
    .replace("wss://example.com", `ws://127.0.0.1:${node.port}`)
    .replace("/my/", `http://127.0.0.1:${application.port}/my/`);
  return new TerminalProcess([process.execPath, "-e", here], { PATH: process.env["PATH"] ?? "" });
}

test.each([
  ["a token", first],
  ["a ticket", ticket],
  ["a session of the application", session],
])("the example with %s connects, in a program that ends by itself", async (_title, code) => {
  const client = started(code, JOIN);
  await client.until(() => client.printed.length > 0);
  expect(await client.ended()).toBe(0);
  expect(client.printed).toEqual(["joined"]);
});

test("the example with a session of the application ends the client with the session", async () => {
  const ends = `for await (const { state, code } of client.statuses()) console.log(state, code);`;
  const client = started(session.replace("/my/", "/my/ended/"), ends);
  await client.until(() => client.printed.length > 0);
  expect(await client.ended()).toBe(0);
  expect(client.printed).toEqual(["closed 1000"]);
});

test("the example of a room publishes and prints what is said", async () => {
  const bob = await node.member("bob", "lobby");
  const client = started(first, room);
  await bob.jsonOfType("reaction");
  const say = (): void => bob.send({ type: "chat_message", roomSlug: "lobby", message: "hello" });
  await client.until(() => {
    if (!client.printed.includes("bob new_message hello")) say();
    return client.printed.includes("bob new_message hello");
  });
  await client.kill();
  expect(client.said).toEqual([]);
});
