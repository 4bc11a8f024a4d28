import { Database } from "bun:sqlite";
import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { accountProblem, type Accounts, openAccounts } from "../../src/auth/accounts.ts";
import type { PasswordOptions } from "../../src/auth/passwords.ts";
import { ProtocolError } from "../../src/protocol/codes.ts";
import { FakeClock } from "../support/clock.ts";

const CHEAP: PasswordOptions = { cost: { memoryKiB: 64, iterations: 1 } };
const PASSWORD = "correct horse battery";

const directory = mkdtempSync(join(tmpdir(), "tautline-accounts-"));
const opened: Accounts[] = [];
let files = 0;

function newPath(): string {
  files += 1;
  return join(directory, `${files}`, "tautline.db");
}

async function open(path = newPath(), passwords: PasswordOptions = CHEAP): Promise<Accounts> {
  const accounts = await openAccounts(path, { clock: new FakeClock(1_000), defaultRole: "user", passwords });
  opened.push(accounts);
  return accounts;
}

/** What a call is refused with; null when it is not. */
async function failureOf(call: Promise<unknown>): Promise<unknown> {
  try {
    await call;
    return null;
  } catch (error) {
    return error;
  }
}

async function codeOf(call: Promise<unknown>): Promise<string | null> {
  const failure = await failureOf(call);
  if (failure !== null && !(failure instanceof ProtocolError)) throw failure;
  return failure?.code ?? null;
}

afterEach(() => {
  for (const accounts of opened.splice(0)) accounts.close();
});
afterAll(() => rmSync(directory, { recursive: true }));

describe("accounts", () => {
  test("a registered account is verified by its password, in any case of its name", async () => {
    const accounts = await open();
    const account = await accounts.register("Ada", PASSWORD);
    expect(account).toEqual({ id: account.id, username: "Ada", role: "user", createdAtMs: 1_000 });
    expect(account.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(await accounts.verify("aDA", PASSWORD)).toEqual(account);
    expect(accounts.find(account.id)).toEqual(account);
    expect(accounts.findByName("ADA")).toEqual(account);
  });

  test("a wrong password, an unknown name and text that can be neither are all null", async () => {
    const accounts = await open();
    await accounts.register("ada", PASSWORD);
    const wrong: [string, string][] = [
      ["ada", "another password"],
      ["ada", ""],
      ["ada", `${PASSWORD}\0`],
      ["ada", "x".repeat(5_000)],
      ["ada", "\ud800 lone surrogate"],
      ["bob", PASSWORD],
      ["", PASSWORD],
      ["ada' OR '1'='1", PASSWORD],
      ["аda", PASSWORD],
    ];
    for (const [username, password] of wrong) expect(await accounts.verify(username, password)).toBeNull();
  });

  test("with the default cost a hash is argon2id of 64 MiB and two passes", async () => {
    const path = newPath();
    const accounts = await open(path, {});
    const account = await accounts.register("ada", PASSWORD);
    expect(await accounts.verify("ada", PASSWORD)).toEqual(account);
    expect(await accounts.verify("ada", "another password")).toBeNull();
    const database = new Database(path, { readonly: true });
    const row = database.query<{ hash: string }, []>("SELECT password_hash AS hash FROM accounts").get();
    database.close();
    expect(row?.hash).toStartWith("$argon2id$v=19$m=65536,t=2,p=1$");
  });

  test("the same password composed in another way is the same", async () => {
    const accounts = await open();
    const account = await accounts.register("ada", "cafe\u0301 au lait");
    expect(await accounts.verify("ada", "caf\u00e9 au lait")).toEqual(account);
  });

  test.each([
    ["", PASSWORD, "user", "username"],
    ["a b", PASSWORD, "user", "username"],
    ["ada\n", PASSWORD, "user", "username"],
    ["ädä", PASSWORD, "user", "username"],
    ["a".repeat(65), PASSWORD, "user", "username"],
    ["ada", "1234567", "user", "password"],
    ["ada", "é".repeat(513), "user", "password"],
    ["ada", "\udc00 12345678", "user", "password"],
    ["ada", PASSWORD, "", "role"],
    ["ada", PASSWORD, "ad min", "role"],
  ] as const)(
    "%j with password %j and role %j has a bad %s and is refused",
    async (username, password, role, problem) => {
      const accounts = await open();
      expect(accountProblem(username, password, role)).toBe(problem);
      expect(await codeOf(accounts.register(username, password, role))).toBe("BAD_REQUEST");
    },
  );

  test.each([
    ["a".repeat(64), "12345678"],
    ["A.b_c-9", "é".repeat(512)],
  ])("%j with a password at the bound is taken", async (username, password) => {
    const accounts = await open();
    expect(accountProblem(username, password, "user")).toBeNull();
    const account = await accounts.register(username, password, "admin");
    expect(account.role).toBe("admin");
    expect(await accounts.verify(username, password)).toEqual(account);
  });

  test("of two registrations of one name at once one wins and one is a conflict", async () => {
    const accounts = await open();
    const codes = await Promise.all([
      codeOf(accounts.register("ada", PASSWORD)),
      codeOf(accounts.register("ADA", "another password")),
    ]);
    expect(new Set(codes)).toEqual(new Set(["CONFLICT", null]));
  });

  test("passwords beyond those in flight and those that wait are refused, and the rest are right", async () => {
    const accounts = await open(newPath(), { ...CHEAP, maxInFlight: 1, maxWaiting: 2 });
    const account = await accounts.register("ada", PASSWORD);
    const calls = Array.from({ length: 10 }, () => accounts.verify("ada", PASSWORD));
    const results = await Promise.allSettled(calls);
    const found = results.filter((result) => result.status === "fulfilled").map((result) => result.value);
    const refused = results.filter((result) => result.status === "rejected").map((result) => result.reason.code);
    expect(found).toEqual([account, account, account]);
    expect(refused).toEqual(Array.from({ length: 7 }, () => "OVERLOADED"));
    expect(await accounts.verify("ada", PASSWORD)).toEqual(account);
  });

  test("an unknown name and a malformed one wait their turn as a known one does", async () => {
    const accounts = await open(newPath(), { ...CHEAP, maxInFlight: 1, maxWaiting: 0 });
    const first = accounts.verify("nobody", PASSWORD);
    expect(await codeOf(accounts.verify("not a name", PASSWORD))).toBe("OVERLOADED");
    expect(await first).toBeNull();
  });

  test("a removed account no longer exists, its name is free, and its id is remembered", async () => {
    const accounts = await open();
    const { id } = await accounts.register("ada", PASSWORD);
    expect([accounts.exists(id), accounts.wasRemoved(id)]).toEqual([true, false]);
    expect(accounts.remove("ADA")).toBe(true);
    expect(accounts.remove("ada")).toBe(false);
    expect([accounts.exists(id), accounts.wasRemoved(id)]).toEqual([false, true]);
    expect(accounts.find(id)).toBeNull();
    expect(await accounts.verify("ada", PASSWORD)).toBeNull();
    const next = await accounts.register("ada", PASSWORD);
    expect(next.id).not.toBe(id);
    expect([accounts.exists("elsewhere"), accounts.wasRemoved("elsewhere")]).toEqual([false, false]);
  });

  test("an account that is removed while its password is checked is not verified", async () => {
    const accounts = await open();
    await accounts.register("ada", PASSWORD);
    const verified = accounts.verify("ada", PASSWORD);
    expect(accounts.remove("ada")).toBe(true);
    expect(await verified).toBeNull();
  });

  test("what another process does to the file shows at once", async () => {
    const path = newPath();
    const server = await open(path);
    const { id } = await server.register("ada", PASSWORD);
    const tool = await open(path);
    const added = await tool.register("bob", PASSWORD, "admin");
    expect(await server.verify("bob", PASSWORD)).toEqual(added);
    expect(tool.remove("ada")).toBe(true);
    expect(server.exists(id)).toBe(false);
    expect(server.wasRemoved(id)).toBe(true);
  });

  test("accounts outlive the process, in a file and directory that others cannot read", async () => {
    const path = newPath();
    const first = await open(path);
    const account = await first.register("ada", PASSWORD);
    const mode = (file: string): number => statSync(file).mode & 0o777;
    expect([mode(path), mode(`${path}-wal`), mode(join(path, ".."))]).toEqual([0o600, 0o600, 0o700]);
    first.close();
    const second = await open(path);
    expect(await second.verify("ada", PASSWORD)).toEqual(account);
    second.close();
    expect(readFileSync(path).includes(PASSWORD)).toBe(false);
  });

  test("a file that others could read is closed to them", async () => {
    const path = join(directory, "open.db");
    writeFileSync(path, "", { mode: 0o644 });
    await open(path);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test("a file of a newer version and a file that is no database stop the start", async () => {
    const path = newPath();
    (await open(path)).close();
    const database = new Database(path);
    database.run("PRAGMA user_version = 99");
    database.close();
    expect(await failureOf(open(path))).toHaveProperty(
      "message",
      "The account database was written by a newer version",
    );
    const text = join(directory, "text.db");
    writeFileSync(text, "not a database ".repeat(1_000));
    expect(await failureOf(open(text))).toHaveProperty("code", "SQLITE_NOTADB");
  });

  test("close refuses what waits and what comes later, and may be called twice", async () => {
    const accounts = await open(newPath(), { ...CHEAP, maxInFlight: 1 });
    const calls = [
      accounts.verify("ada", PASSWORD),
      accounts.verify("ada", PASSWORD),
      accounts.register("bob", PASSWORD),
    ];
    accounts.close();
    accounts.close();
    expect(await Promise.all(calls.map(codeOf))).toEqual(["UNAVAILABLE", "UNAVAILABLE", "UNAVAILABLE"]);
    expect(await codeOf(accounts.verify("ada", PASSWORD))).toBe("UNAVAILABLE");
    expect(await codeOf(accounts.register("bob", PASSWORD))).toBe("UNAVAILABLE");
  });
});

test("a database that another program holds is UNAVAILABLE, and the event loop does not wait for it", async () => {
  const path = newPath();
  const accounts = await open(path);
  const other = new Database(path);
  other.run("BEGIN IMMEDIATE");
  expect(await codeOf(accounts.register("ada", PASSWORD))).toBe("UNAVAILABLE");
  other.run("ROLLBACK");
  other.close();
  expect(await codeOf(accounts.register("ada", PASSWORD))).toBeNull();
});
