import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { runInNewContext } from "node:vm";
import manifest from "../package.json";
import { CLOSES } from "../src/protocol/codes.ts";
import { until } from "./observe/recorded-sink.ts";
import { type Frame, Page } from "./seeds/page.ts";
import { differences } from "./seeds/shown.ts";
import { RawPeer } from "./support/peer.ts";
import { SECRET, TestNode, token } from "./support/node.ts";
import { program } from "./support/programs.ts";

/** The README does what it says: its blocks are run as they stand, but for the port and the way to Bun. */

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const README = readFileSync(`${ROOT}README.md`, "utf8");
/** Shells, curl and clients have to start, on a machine that may be busy. */
/** Each terminal starts npx, which takes seconds where the machine is busy. */
const TIMEOUT_MS = 90_000;
const FRAME_TIMEOUT_MS = 40_000;
const curl = program("curl", "curl");

/** The fenced blocks whose first line is ```` ```info ````, in their order. */
function blocks(info: string): string[] {
  return [...README.matchAll(/^```([^\n]+)\n([\s\S]*?)^```$/gm)]
    .filter(([, language]) => language === info)
    .map(([, , code = ""]) => code);
}

function shell(script: string): Bun.Subprocess<"pipe", "pipe", "inherit"> {
  const local = script.replaceAll("npx -y bun@1.4.4", `"${process.execPath}"`);
  return Bun.spawn(["bash", "-c", local], { cwd: ROOT, stdio: ["pipe", "pipe", "inherit"], env: environment() });
}

/** Without settings of whoever runs the tests. */
function environment(): Record<string, string | undefined> {
  const { PATH, HOME, TMPDIR } = process.env;
  return { PATH, HOME, TMPDIR };
}

/** The frames that a client prints, one on each line. */
class Printed {
  readonly #frames: Frame[] = [];
  #wake: () => void = () => undefined;

  async addLines(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const chunk of stream) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.#frames.push(JSON.parse(line));
      this.#wake();
    }
  }

  /** The next frame of that type; those before it are passed over. */
  async frame(type: string): Promise<Frame> {
    const deadline = AbortSignal.timeout(FRAME_TIMEOUT_MS);
    for (;;) {
      const frame = this.#frames.shift();
      if (frame?.["type"] === type) return frame;
      if (frame !== undefined) continue;
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      this.#wake = resolve;
      deadline.addEventListener("abort", () => reject(new Error(`no frame ${type} was printed`)));
      await promise;
    }
  }
}

let node: TestNode;

beforeAll(async () => {
  node = await TestNode.start({ ACCOUNTS: "on" });
});

afterAll(async () => {
  await node.stop();
});

describe.skipIf(curl.path === null)(`the chat${curl.skipReason}`, () => {
  const clients: Bun.Subprocess<"pipe", "pipe", "inherit">[] = [];

  afterAll(() => {
    for (const client of clients) client.kill();
  });

  /** Both blocks in one terminal; the shell becomes the client. */
  function terminal(name: string): { client: Bun.Subprocess<"pipe", "pipe", "inherit">; printed: Printed } {
    const [register = "", connect = ""] = blocks("sh chat");
    const script = `${register.replace("NAME=ada", `NAME=${name}`)}\nexec ${connect}`;
    const client = shell(script.replaceAll("127.0.0.1:8080", `127.0.0.1:${node.port}`));
    clients.push(client);
    const printed = new Printed();
    void printed.addLines(client.stdout);
    return { client, printed };
  }

  test(
    "runs in two terminals: both see who came and what was said, as it is shown",
    async () => {
      const ada = terminal("ada");
      expect(await ada.printed.frame("connected")).toMatchObject({ user: { username: "ada" } });
      expect(await ada.printed.frame("room_joined")).toMatchObject({ roomSlug: "lobby", userCount: 1 });
      const bob = terminal("bob");
      expect(await bob.printed.frame("room_joined")).toMatchObject({ roomSlug: "lobby", userCount: 2 });
      expect(await ada.printed.frame("user_joined")).toMatchObject({ data: { username: "bob" } });

      void ada.client.stdin.write("Hello Bob\n");
      void ada.client.stdin.flush();
      const received = await bob.printed.frame("new_message");
      const [shown = ""] = blocks("json new_message");
      expect(differences(JSON.parse(shown), received)).toEqual([]);
      expect(Object.keys(received)).toEqual(Object.keys(JSON.parse(shown)));
      expect(received).toMatchObject({ offset: 1, data: { username: "ada", message: "Hello Bob" } });
      expect((await ada.printed.frame("new_message"))["data"]).toEqual(received["data"]);
    },
    TIMEOUT_MS,
  );
});

describe.skipIf(curl.path === null)(`the requests of a backend${curl.skipReason}`, () => {
  const API_KEY = "the-key-of-the-readme";
  let backed: TestNode;

  beforeAll(async () => {
    backed = await TestNode.start({ API_KEY });
  });

  afterAll(async () => {
    await backed.stop();
  });

  /** What the block prints: one JSON object for each request. */
  async function answersOf(info: string): Promise<unknown[]> {
    const [block = ""] = blocks(info);
    const script = `export API_KEY=${API_KEY}\n${block.replaceAll("127.0.0.1:8080", `127.0.0.1:${backed.port}`)}`;
    const output = await new Response(shell(script).stdout).text();
    return JSON.parse(`[${output.replaceAll("}{", "},{")}]`);
  }

  test(
    "publish to a room, to a user and to followers",
    async () => {
      const member = await backed.member("ada", "lobby");
      const user = await backed.connect("42");
      expect(await answersOf("sh backend")).toMatchObject([
        { messageId: "news-1" },
        { delivered: 1 },
        { delivered: 0 },
      ]);
      expect(await member.json()).toMatchObject({ type: "news", data: { title: "Hello all" }, offset: 1 });
      expect(await user.json()).toMatchObject({ type: "notification", data: { title: "New follower" } });
    },
    TIMEOUT_MS,
  );

  test(
    "stream word by word",
    async () => {
      const member = await backed.member("reader", "lobby");
      const answers = answersOf("sh stream");
      const texts: unknown[] = [];
      while (texts.length < 4) texts.push((await member.jsonOfType("token"))["data"]);
      expect(texts).toEqual([{ text: "Hello " }, { text: "from " }, { text: "a " }, { text: "model " }]);
      expect(await answers).toEqual([{ published: 4 }]);
    },
    TIMEOUT_MS,
  );

  test(
    "subscribe, list and disconnect users",
    async () => {
      const user = await backed.connect("42");
      const answers = await answersOf("sh users");
      const [subscribed, topics, presence, connections] = answers;
      expect(subscribed).toMatchObject({ skipped: 0 });
      expect(topics).toMatchObject({
        items: expect.arrayContaining([expect.objectContaining({ topic: "conversation:7" })]),
      });
      expect(presence).toMatchObject({ items: [{ userId: "42" }], userCount: 1 });
      expect(connections).toMatchObject({
        items: expect.arrayContaining([expect.objectContaining({ endpoint: "/ws" })]),
      });
      expect(answers.at(-1)).toMatchObject({ closed: expect.any(Number) });
      expect(await user.closed()).toEqual({ code: 4003, reason: "signed out" });
    },
    TIMEOUT_MS,
  );

  test("are made with settings that a node takes", async () => {
    const [make = ""] = blocks("sh settings");
    const output = await new Response(shell(`${make}\necho "$JWT_SECRET"; echo "$API_KEY"`).stdout).text();
    const [secret = "", key = ""] = output.trim().split("\n");
    const other = await TestNode.start({ JWT_SECRET: secret, API_KEY: key });
    expect((await other.http("/api/topics", { headers: { "X-API-Key": key } })).status).toBe(200);
    await other.stop();
  });

  test(
    "are shown by an example, which runs as it stands and prints what is shown",
    async () => {
      const [run = ""] = blocks("sh example");
      const script = `export JWT_SECRET=${SECRET} API_KEY=${API_KEY} TAUTLINE_URL=${backed.url} WORD_MS=1\n${run}`;
      const printed = await new Response(shell(script).stdout).text();
      expect(README).toContain(`\n\`\`\`\n${printed}\`\`\`\n`);
    },
    TIMEOUT_MS,
  );
});

test("the chat in a browser runs as it stands", async () => {
  const [connect = "", speak = ""] = blocks("js browser");
  const page = new Page({
    fetch: (path: string, init: RequestInit) => fetch(node.url + path, init),
    location: { host: `127.0.0.1:${node.port}` },
  });
  // A console takes `await` by itself, and keeps what was declared.
  page.enter(`void (async () => { ${connect}; globalThis.ws = ws; })()`);
  await page.frame("room_joined");
  page.enter(speak);
  const said = await page.frame("new_message");
  expect(said).toMatchObject({ data: { username: "carol", message: "Hello from the browser" } });
  expect(page.logged.map(([text]) => JSON.parse(String(text)))).toContainEqual(said);
  await page.leave();
});

test("the client that recovers gets what was said while it was away, once and in order", async () => {
  const [code = ""] = blocks("js recovering");
  const sockets: WebSocket[] = [];
  class Noted extends WebSocket {
    constructor(url: string) {
      super(url);
      sockets.push(this);
    }
  }
  const speaker = await node.member("speaker", "away");
  const say = async (message: string) => {
    speaker.send({ type: "chat_message", roomSlug: "away", message });
    await speaker.jsonOfType("message_sent");
  };
  const heard: unknown[] = [];
  const hears = (count: number) => until(() => heard.length === count);
  // It waits for a second or more before it comes back: here until what it is to miss was said.
  const idle = () => undefined;
  let comeBack: () => void = idle;
  const later = (run: () => void) => (comeBack = run);
  const follow: unknown = runInNewContext(`${code}; follow`, { WebSocket: Noted, setTimeout: later, console });
  if (typeof follow !== "function") throw new Error("the block no longer defines `follow`");
  follow(`ws://127.0.0.1:${node.port}/ws?token=${token({ sub: "reader" })}`, "away", (data: { message: string }) =>
    heard.push(data.message),
  );
  await speaker.jsonOfType("user_joined");
  await say("one");
  await hears(1);
  sockets[0]?.terminate();
  await until(() => comeBack !== idle);
  await say("two");
  await say("three");
  comeBack();
  await hears(3);
  await say("four");
  await hears(4);
  expect(heard).toEqual(["one", "two", "three", "four"]);
  sockets[1]?.terminate();
});

test("the client of the library joins, speaks and hears as it stands", async () => {
  const [code = ""] = blocks("ts client");
  const given = `const fetchToken = async () => ${JSON.stringify(token({ sub: "reader", username: "reader" }))};`;
  // Behind the answer to a later request the client's own copy has come as well.
  const end = `await room.history(); await client.close();`;
  const application = [given, code.replace("127.0.0.1:8080", `127.0.0.1:${node.port}`), end].join("\n");
  const client = Bun.spawn([process.execPath, "-e", application], { cwd: ROOT, stdio: ["ignore", "pipe", "inherit"] });
  const said = (await new Response(client.stdout).text()).trim().split("\n");
  expect(await client.exited).toBe(0);
  expect(said.toSorted()).toEqual(["closed", "connected", "reader: Hello all"]);
});

test(
  "the server inside of an application runs as it stands, with the sessions of the application",
  async () => {
    const [start = "", use = ""] = blocks("ts embedding");
    const sessions = `const findSession = (token: string) => (token === "mine" ? { id: 42, username: "ada" } : null);`;
    const told = `console.log(server.address.port); for await (const line of console) { if (line) break; }`;
    const application = Bun.spawn(
      [process.execPath, "-e", [sessions, start.replace("8080", "0"), told, use].join("\n")],
      {
        ...{ cwd: ROOT, env: environment() },
        stdio: ["pipe", "pipe", "inherit"],
      },
    );
    const output = application.stdout.getReader();
    const port = Number(Buffer.from((await output.read()).value ?? []).toString());
    const peer = await RawPeer.open(port, { path: "/ws?token=mine" }, { conforms: "but-own" });
    peer.send({ type: "join_room", roomSlug: "lobby" });
    await peer.jsonOfType("room_joined");
    peer.send({ type: "say", id: 1, text: "hello" });
    expect(await peer.json()).toMatchObject({ type: "echo", id: 1, said: "hello" });
    void application.stdin.write("go on\n");
    void application.stdin.flush();
    expect(await peer.json()).toMatchObject({ type: "score.changed", roomSlug: "lobby", data: { home: 1 } });
    expect(await peer.json()).toMatchObject({ type: "notification", data: { title: "New follower" } });
    expect((await peer.closed()).code).toBe(1012);
    void output.cancel();
    expect(await application.exited).toBe(0);
  },
  TIMEOUT_MS,
);

test(
  "the token made by hand opens a connection to a node with the same secret",
  async () => {
    const [settings = ""] = blocks("sh settings");
    const [make = ""] = blocks("sh token");
    const output = await new Response(shell(`${settings}\n${make}\necho "$JWT_SECRET"`).stdout).text();
    const [made = "", secret = ""] = output.trim().split("\n");
    const other = await TestNode.start({ JWT_SECRET: secret });
    const peer = await other.upgraded({ path: `/ws?token=${made}` });
    expect(await peer.jsonOfType("connected")).toMatchObject({ user: { id: "42", username: "ada" } });
    await other.stop();
  },
  TIMEOUT_MS,
);

test(
  "the check of the settings runs",
  async () => {
    const [check = ""] = blocks("sh check");
    expect(await shell(check).exited).toBe(0);
  },
  TIMEOUT_MS,
);

test("the first commands are the package's own, on the version of Bun that it is for", () => {
  const [first = ""] = blocks("sh");
  expect(first.trim().split("\n")).toEqual([
    `npx -y ${manifest.packageManager} start`,
    `npx -y ${manifest.packageManager} run test`,
  ]);
  const scripts: ReadonlySet<string> = new Set(Object.keys(manifest.scripts));
  const named = [...README.matchAll(/\bbun(?:@1\.4\.4)? run ([a-z:]+)/g)].map(([, name = ""]) => name);
  expect(named.length).toBeGreaterThan(3);
  expect(named.filter((name) => !scripts.has(name))).toEqual([]);
});

test.each([
  "README.md",
  "CONTRIBUTING.md",
  "SECURITY.md",
  "docs/protocol.md",
  "docs/operations.md",
  "docs/embedding.md",
  "docs/metrics.md",
  "bench/README.md",
])("every link of %s to a file or a heading leads to one", (name) => {
  const page = new URL(name, `file://${ROOT}`);
  const links = [...readFileSync(page, "utf8").matchAll(/\]\((?!https?:)([^)]+)\)/g)].map(([, link = ""]) => link);
  const missing = links.filter((link) => {
    const { pathname, hash } = new URL(link, page);
    return !existsSync(pathname) || (hash !== "" && !anchorsOf(pathname).includes(hash));
  });
  expect(missing).toEqual([]);
});

function anchorsOf(path: string): string[] {
  const headings = [...readFileSync(path, "utf8").matchAll(/^#+ (.+)$/gm)].map(([, title = ""]) => title.toLowerCase());
  return headings.map((title) => `#${title.replace(/[^a-z0-9 _-]/g, "").replaceAll(" ", "-")}`);
}

test("every close code that it explains is one that exists", () => {
  const codes = [...README.matchAll(/^\| (\d{4}) +\|/gm)].map(([, code = ""]) => code);
  expect(codes.length).toBeGreaterThan(5);
  expect(codes.filter((code) => !Object.hasOwn(CLOSES, code))).toEqual([]);
});
