import { afterEach, expect } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TestNode } from "../support/node.ts";
import { onBun } from "../support/on-bun.ts";

/** An account that is removed on the command line while the node runs. */

let node: TestNode;
const directory = mkdtempSync(join(tmpdir(), "tautline-removed-"));
afterEach(async () => {
  await node.stop();
  rmSync(directory, { recursive: true, force: true });
});

onBun("accounts")("the token of a removed account opens nothing any more, on either endpoint", async () => {
  const database = `sqlite://${join(directory, "accounts.db")}`;
  node = await TestNode.start({ ACCOUNTS: "on", DATABASE_URL: database });
  const registered = await node.http("/api/register", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ username: "ada", password: "correct horse" }),
  });
  const { token } = (await registered.json()) as { token: string };
  await node.upgraded({ path: `/ws?token=${token}` });

  const env = { PATH: process.env["PATH"], DATABASE_URL: database, JWT_SECRET: "kR7vQ2xW9mB4nT6yL1pZ8cF3hJ5gD0sA" };
  const command = Bun.spawn(["bun", "src/cli.ts", "user", "remove", "ada"], { env, stdout: "ignore", stderr: "pipe" });
  expect([await command.exited, await command.stderr.text()]).toEqual([0, ""]);

  const refused = await node.peer();
  expect((await refused.upgrade({ path: `/ws?token=${token}` })).status).toBe(401);
  const byFrame = await node.upgraded({ path: "/" });
  byFrame.send({ type: "auth", token });
  expect(await byFrame.jsonOfType("auth_error")).toMatchObject({ code: "AUTH_FAILED" });
  expect((await byFrame.closed()).code).toBe(4001);
});
