import type { Database } from "bun:sqlite";
import { chmodSync, closeSync, mkdirSync, openSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type { Clock } from "../observe/clock.ts";
import { ProtocolError } from "../protocol/codes.ts";
import { type PasswordOptions, Passwords } from "./passwords.ts";

/** The embedded account store behind `/api/login` and `/api/register`: one SQLite file. */

export interface Account {
  /** A random UUID: the token's `sub`. */
  readonly id: string;
  /** As it was registered; compared without regard to case. */
  readonly username: string;
  readonly role: string;
  /** Milliseconds since 1970. */
  readonly createdAtMs: number;
}

/** The asynchronous methods throw `OVERLOADED` when too many passwords wait to be hashed, `UNAVAILABLE` once closed. */
export interface Accounts {
  /** Throws `CONFLICT` when the name is taken, `BAD_REQUEST` when `accountProblem` finds one. */
  register(username: string, password: string, role?: string): Promise<Account>;
  /** null for an unknown name and for a wrong password, after the same work. */
  verify(username: string, password: string): Promise<Account | null>;
  find(id: string): Account | null;
  findByName(username: string): Account | null;
  /** False for a removed account and for an id that was never one. A read by primary key (2 µs), so it is never stale. */
  exists(id: string): boolean;
  /** True only for the id of an account that was removed: of ids that other issuers gave it says nothing. */
  wasRemoved(id: string): boolean;
  /** Ends the account and frees its name; only the id stays, so that its tokens can be refused. False when there is none. */
  remove(username: string): boolean;
  close(): void;
}

export interface AccountsOptions {
  readonly clock: Clock;
  /** The role of an account that was registered without one. */
  readonly defaultRole: string;
  readonly passwords?: PasswordOptions;
}

/** ASCII only, so that two names that look alike are alike, and SQLite's NOCASE folds every letter there can be. */
const USERNAME = /^[A-Za-z0-9_.-]{1,64}$/;
const ROLE = /^[A-Za-z0-9_.:-]{1,64}$/;
const PASSWORD_BYTES = { min: 8, max: 1_024 };

/** What `user_version` counts: each step is run once, in order, and never edited. */
const MIGRATIONS = [
  `CREATE TABLE accounts (
     id TEXT PRIMARY KEY,
     username TEXT UNIQUE COLLATE NOCASE,
     password_hash TEXT,
     role TEXT NOT NULL,
     created_at_ms INTEGER NOT NULL,
     removed_at_ms INTEGER,
     CHECK ((removed_at_ms IS NULL) = (username IS NOT NULL AND password_hash IS NOT NULL))
   ) STRICT, WITHOUT ROWID`,
];

const BUSY_TIMEOUT_MS = 50;
const BUSY_RETRY_MS = 1_000;

/** Runs a write; a database that another process holds is UNAVAILABLE. */
function unlessBusy<T>(write: () => T): T {
  try {
    return write();
  } catch (error) {
    const isBusy = error instanceof Error && "code" in error && String(error.code).startsWith("SQLITE_BUSY");
    if (!isBusy) throw error;
    throw new ProtocolError("UNAVAILABLE", { retryAfterMs: BUSY_RETRY_MS }, error);
  }
}

const ACCOUNT = `id, username, role, created_at_ms AS createdAtMs`;

/**
 * The form in which a password is hashed: NFKC, so that two keyboards that compose a letter differently write the same one
 * (NIST SP 800-63B section 3.1.1.2). null when no account can have it.
 */
function normalizePassword(password: string): string | null {
  // The first bound keeps the work of the second small.
  if (password.length > PASSWORD_BYTES.max || !password.isWellFormed()) return null;
  const normal = password.normalize("NFKC");
  const sizeBytes = Buffer.byteLength(normal);
  return sizeBytes >= PASSWORD_BYTES.min && sizeBytes <= PASSWORD_BYTES.max ? normal : null;
}

/**
 * Which of the three cannot be registered. Names: 1 to 64 of `A-Z a-z 0-9 _ . -`. Passwords: 8 to 1,024 bytes of UTF-8 after NFKC.
 * Roles: 1 to 64 of `A-Z a-z 0-9 _ . : -`.
 */
export function accountProblem(
  username: string,
  password: string,
  role: string,
): "username" | "password" | "role" | null {
  if (!USERNAME.test(username)) return "username";
  if (normalizePassword(password) === null) return "password";
  return ROLE.test(role) ? null : "role";
}

/**
 * Opens the store at `path`; a missing file and its directory are made, readable by this user alone. Rejects with an `Error` on
 * anything but Bun, for a file that is not a database, and for one that a newer version wrote.
 */
export async function openAccounts(path: string, options: AccountsOptions): Promise<Accounts> {
  if (process.versions.bun === undefined) throw new Error("Embedded accounts need Bun: set ACCOUNTS=off");
  const sqlite = await import("bun:sqlite");
  const passwords = await Passwords.create(options.passwords);
  makePrivate(path);
  const database = new sqlite.Database(path, { strict: true });
  try {
    database.run("PRAGMA busy_timeout = 5000");
    database.run("PRAGMA journal_mode = WAL");
    database.run("PRAGMA synchronous = NORMAL");
    // What is erased is overwritten: a hash does not stay behind in a free page.
    database.run("PRAGMA secure_delete = ON");
    database.transaction(migrate).immediate(database);
    // SQLite waits in the event loop: from now on a lock of another process is answered, not waited for.
    database.run(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
    return new SqliteAccounts(database, passwords, options);
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Before SQLite sees it: the -wal and -shm files take the mode of the file. */
function makePrivate(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  closeSync(openSync(path, "a", 0o600));
  if ((statSync(path).mode & 0o077) !== 0) chmodSync(path, 0o600);
}

function migrate(database: Database): void {
  const version = database.query<{ user_version: number }, []>("PRAGMA user_version").get()?.user_version ?? 0;
  if (version > MIGRATIONS.length) throw new Error("The account database was written by a newer version");
  for (const step of MIGRATIONS.slice(version)) database.run(step);
  database.run(`PRAGMA user_version = ${MIGRATIONS.length}`);
}

class SqliteAccounts implements Accounts {
  readonly #database: Database;
  readonly #passwords: Passwords;
  readonly #options: AccountsOptions;
  #isClosed = false;

  constructor(database: Database, passwords: Passwords, options: AccountsOptions) {
    this.#database = database;
    this.#passwords = passwords;
    this.#options = options;
  }

  async register(username: string, password: string, role = this.#options.defaultRole): Promise<Account> {
    const normal = normalizePassword(password);
    if (normal === null || accountProblem(username, password, role) !== null) throw new ProtocolError("BAD_REQUEST");
    // Hashed before the name is looked at: the constraint decides between two that come together.
    const passwordHash = await this.#passwords.hash(normal);
    this.#needsOpen();
    const account: Account = { id: crypto.randomUUID(), username, role, createdAtMs: this.#options.clock.now() };
    const insert = this.#database.query<null, [string, string, string, string, number]>(
      `INSERT INTO accounts (id, username, password_hash, role, created_at_ms) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (username) DO NOTHING`,
    );
    const { changes } = unlessBusy(() => insert.run(account.id, username, passwordHash, role, account.createdAtMs));
    if (changes === 0) throw new ProtocolError("CONFLICT");
    return account;
  }

  async verify(username: string, password: string): Promise<Account | null> {
    this.#needsOpen();
    const row = USERNAME.test(username)
      ? this.#database
          .query<{ id: string; hash: string }, [string]>(
            "SELECT id, password_hash AS hash FROM accounts WHERE username = ?",
          )
          .get(username)
      : null;
    const normal = normalizePassword(password);
    const isMatch = await this.#passwords.verify(normal ?? "-", normal === null ? null : (row?.hash ?? null));
    this.#needsOpen();
    // Read again: it may have been removed while the password was checked.
    return isMatch && row !== null ? this.find(row.id) : null;
  }

  find(id: string): Account | null {
    return this.#database
      .query<Account, [string]>(`SELECT ${ACCOUNT} FROM accounts WHERE id = ? AND removed_at_ms IS NULL`)
      .get(id);
  }

  findByName(username: string): Account | null {
    return this.#database.query<Account, [string]>(`SELECT ${ACCOUNT} FROM accounts WHERE username = ?`).get(username);
  }

  exists(id: string): boolean {
    return (
      this.#database
        .query<{ 1: 1 }, [string]>("SELECT 1 FROM accounts WHERE id = ? AND removed_at_ms IS NULL")
        .get(id) !== null
    );
  }

  wasRemoved(id: string): boolean {
    return (
      this.#database
        .query<{ 1: 1 }, [string]>("SELECT 1 FROM accounts WHERE id = ? AND removed_at_ms IS NOT NULL")
        .get(id) !== null
    );
  }

  remove(username: string): boolean {
    const { changes } = this.#database
      .query<null, [number, string]>(
        "UPDATE accounts SET username = NULL, password_hash = NULL, removed_at_ms = ? WHERE username = ?",
      )
      .run(this.#options.clock.now(), username);
    return changes > 0;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#passwords.close();
    this.#database.close();
  }

  #needsOpen(): void {
    if (this.#isClosed) throw new ProtocolError("UNAVAILABLE");
  }
}
