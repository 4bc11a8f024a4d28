import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TestNode } from "./support/node.ts";

const CLI = new URL("../src/cli.ts", import.meta.url).pathname;
const SECRET = "correct-horse-battery-staple-0123456789";

interface Ended {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tautline-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

type Env = Readonly<Record<string, string>>;

/** Runs the command with this environment alone, so that the machine's own settings change nothing. */
function spawn(args: readonly string[], env: Env, input = "") {
  const stdin = new Blob([input]);
  return Bun.spawn([process.execPath, CLI, ...args], { cwd: folder, env, stdin, stdout: "pipe", stderr: "pipe" });
}

async function tautline(args: readonly string[], env: Env = {}, input = ""): Promise<Ended> {
  const child = spawn(args, env, input);
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return { status: await child.exited, out, err };
}

describe("usage", () => {
  test.each([
    [[]],
    [["fly"]],
    [["user"]],
    [["user", "rename", "ann"]],
    [["user", "add"]],
    [["user", "add", "ann", "bob"]],
    [["check-config", "--verbose"]],
    [["token"]],
    [["token", "--sub"]],
    [["token", "--sub", "ann", "--ttl", "1e3"]],
  ])("%p is refused with the usage and status 2", async (args) => {
    const { status, out, err } = await tautline(args, { JWT_SECRET: SECRET });
    expect(status).toBe(2);
    expect(out).toBe("");
    expect(err).toContain("Usage: tautline <command>");
  });

  test("a password on the command line is refused and not repeated", async () => {
    const { status, err } = await tautline(["user", "add", "ann", "--password=c4nary-pw"]);
    expect(status).toBe(2);
    expect(err).not.toContain("c4nary-pw");
  });

  test("help is no error", async () => {
    const { status, out, err } = await tautline(["--help"]);
    expect(status).toBe(0);
    expect(out).toStartWith("Usage: tautline <command>");
    expect(err).toBe("");
  });
});

describe("check-config", () => {
  test("accepts the defaults of development with a warning", async () => {
    const { status, err } = await tautline(["check-config"]);
    expect(status).toBe(0);
    expect(err).toContain("JWT_SECRET");
  });

  test("says nothing about a configuration in which everything is set", async () => {
    const { status, err } = await tautline(["check-config"], { JWT_SECRET: SECRET });
    expect({ status, err }).toEqual({ status: 0, err: "" });
  });

  test("names what is wrong in the tables of the file, and warns of what is unwise", async () => {
    const own = mkdtempSync(join(tmpdir(), "tautline-"));
    try {
      const toml = join(own, "t.toml");
      const rules = 'write = "any"\npresence = "none"\nhistory = "none"\n';
      writeFileSync(toml, `[namespaces.game]\nread = "c4nary"\n${rules}`);
      const env = { TAUTLINE_CONFIG: toml, JWT_SECRET: SECRET };
      const wrong = await tautline(["check-config"], env);
      expect([wrong.status, wrong.out]).toEqual([78, ""]);
      expect(wrong.err).toContain("namespaces.game.read");
      expect(wrong.err).not.toContain("c4nary");
      writeFileSync(toml, `[namespaces.game]\nread = { permission = "c4nary" }\n${rules}`);
      const unwise = await tautline(["check-config"], env);
      expect(unwise.status).toBe(0);
      expect(unwise.err).toContain("warning: namespaces.game.read");
    } finally {
      rmSync(own, { recursive: true });
    }
  });

  test("lists every problem of environment, file and secret file, shows no value, and exits with 78", async () => {
    const own = mkdtempSync(join(tmpdir(), "tautline-"));
    try {
      const [toml, secret] = [join(own, "t.toml"), join(own, "secret")];
      writeFileSync(toml, 'colour = 1\nmetrics_token = "c4nary toml"\n');
      writeFileSync(secret, "c4nary-short\n");
      const env = { TAUTLINE_CONFIG: toml, JWT_SECRET_FILE: secret, PORT: "c4nary", API_KEY: "c4nary" };
      const { status, out, err } = await tautline(["check-config"], env);
      expect(status).toBe(78);
      expect(out).toBe("");
      for (const name of ["colour", "METRICS_TOKEN", "JWT_SECRET", "PORT", "API_KEY"])
        expect(err).toContain(`  ${name} `);
      expect(err).not.toContain("c4nary");
    } finally {
      rmSync(own, { recursive: true });
    }
  });

  test("names what production needs", async () => {
    const { status, err } = await tautline(["check-config"], { NODE_ENV: "production" });
    expect(status).toBe(78);
    for (const name of ["JWT_SECRET", "JWT_PUBLIC_KEY", "JWKS_URL"]) expect(err).toContain(name);
  });
});

describe("health", () => {
  const env = { JWT_SECRET: SECRET };

  test("is 0 while the node serves, draining or not, and 1 when it is gone", async () => {
    const node = await TestNode.start();
    const settings = { ...env, PORT: String(node.port) };
    expect(await tautline(["health"], settings)).toMatchObject({ status: 0, err: "" });
    await node.drain();
    expect(await tautline(["health"], settings)).toMatchObject({ status: 0, err: "" });
    await node.stop();
    expect(await tautline(["health"], settings)).toMatchObject({ status: 1, out: "" });
  });

  test("asks this machine where the node listens on every address, and no proxy of the environment", async () => {
    const node = await TestNode.start();
    const proxy = "http://127.0.0.1:9";
    const settings = { ...env, PORT: String(node.port), HOST: "0.0.0.0", HTTP_PROXY: proxy, http_proxy: proxy };
    expect(await tautline(["health"], settings)).toMatchObject({ status: 0 });
    await node.stop();
  });

  test("asks at the Unix socket where there is one", async () => {
    const socket = join(folder, "node.sock");
    const node = await TestNode.start({ PORT: null, UNIX_SOCKET: socket });
    expect(await tautline(["health"], { ...env, UNIX_SOCKET: socket })).toMatchObject({ status: 0 });
    await node.stop();
    expect(await tautline(["health"], { ...env, UNIX_SOCKET: socket })).toMatchObject({ status: 1 });
  });

  test("is 1 for an answer that is no 200", async () => {
    using other = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response("", { status: 503 }) });
    expect(await tautline(["health"], { ...env, PORT: String(other.port) })).toMatchObject({ status: 1, out: "" });
  });

  test("cannot ask a port that only the node knows", async () => {
    const { status, err } = await tautline(["health"], { ...env, PORT: "0" });
    expect(status).toBe(78);
    expect(err).toContain("  PORT ");
  });
});

describe("token", () => {
  test("signs nothing with a secret that no node has", async () => {
    const { status, out, err } = await tautline(["token", "--sub", "ann"]);
    expect(status).toBe(78);
    expect(out).toBe("");
    expect(err).toContain("JWT_SECRET");
  });
});

describe("accounts", () => {
  test("a user is added with a password from standard input or a file, once", async () => {
    const env = { JWT_SECRET: SECRET, DATABASE_URL: "sqlite:users.db" };
    const ann = await tautline(["user", "add", "ann", "--role", "admin"], env, "c4nary-password\n");
    expect(ann).toMatchObject({ status: 0, err: "" });
    expect(ann.out).toMatch(/^\S+\n$/);

    writeFileSync(join(folder, "password"), "c4nary-password\n");
    const bob = await tautline(["user", "add", "bob", "--password-file", "password"], env);
    expect(bob).toMatchObject({ status: 0, err: "" });
    expect(bob.out).not.toBe(ann.out);

    const again = await tautline(["user", "add", "ann"], env, "c4nary-password");
    expect(again).toMatchObject({ status: 1, out: "" });
    expect(again.err).not.toContain("c4nary");
    expect(readFileSync(join(folder, "users.db")).includes("c4nary")).toBe(false);
  });

  test("no password, or a file that is not there, adds nobody", async () => {
    expect(await tautline(["user", "add", "eve"], { JWT_SECRET: SECRET })).toMatchObject({ status: 1, out: "" });
    const { status } = await tautline(["user", "add", "eve", "--password-file", "none"], { JWT_SECRET: SECRET });
    expect(status).toBe(1);
  });

  test("a token has the claims that were asked for", async () => {
    const args = ["token", "--sub", "u1", "--username", "Ann", "--role", "admin", "--ttl", "60"];
    const { status, out } = await tautline(args, { JWT_SECRET: SECRET });
    expect(status).toBe(0);
    const claims: unknown = JSON.parse(Buffer.from(out.split(".")[1] ?? "", "base64url").toString());
    expect(claims).toMatchObject({ sub: "u1", username: "Ann", role: "admin" });
  });
});

describe("start", () => {
  const env = { JWT_SECRET: SECRET, PORT: "0", DATABASE_URL: "sqlite:start.db", DRAIN_MS: "1" };

  async function firstLine(stream: ReadableStream<Uint8Array>): Promise<string> {
    let text = "";
    const decoder = new TextDecoder();
    // Not cancelled: a node whose output nobody takes any more tries for seconds to write the end of its log.
    const reader = stream.getReader();
    while (!text.includes("\n")) {
      const { value, done } = await reader.read();
      if (done) break;
      text += decoder.decode(value, { stream: true });
    }
    reader.releaseLock();
    return text.split("\n")[0] ?? "";
  }

  test.each(["SIGTERM", "SIGINT"] as const)(
    "prints one line, and ends with 0 on %s however often it comes",
    async (signal) => {
      const child = spawn(["start"], env);
      expect(await firstLine(child.stdout)).toMatch(/http:\/\/127\.0\.0\.1:[1-9]\d+/);
      child.kill(signal);
      child.kill(signal);
      expect(await child.exited).toBe(0);
    },
  );

  test("a port in use is named with status 1", async () => {
    using other = Bun.serve({ hostname: "127.0.0.1", port: 0, reusePort: false, fetch: () => new Response("") });
    const { status, out, err } = await tautline(["start"], { ...env, PORT: String(other.port) });
    expect({ status, out }).toEqual({ status: 1, out: "" });
    expect(err).toContain(`port ${other.port} on 127.0.0.1 is in use`);
  });

  test("a wrong configuration ends with 78 before anything listens", async () => {
    const { status, out, err } = await tautline(["start"], { ...env, PORT: "x" });
    expect({ status, out }).toEqual({ status: 78, out: "" });
    expect(err).toContain("  PORT ");
  });
});
