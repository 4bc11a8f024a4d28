import { readFileSync } from "node:fs";
import { type Context, createContext, runInContext } from "node:vm";

/** A page with its console, for clients that were written for browsers: what is entered runs as it stands. */

export type Frame = Readonly<Record<string, unknown>>;

interface Timer {
  readonly callback: () => void;
  readonly delayMs: number;
}

const TIMEOUT_MS = 20_000;

/** The text of a client in `clients/`, with its host and token replaced. Each of them must occur. A script unless the name has an ending. */
export function client(name: string, replacements: Readonly<Record<string, string>>): string {
  const file = name.includes(".") ? name : `${name}.js`;
  let code = readFileSync(new URL(`clients/${file}`, import.meta.url), "utf8");
  for (const [from, to] of Object.entries(replacements)) {
    if (!code.includes(from)) throw new Error(`${name} does not mention ${from}`);
    code = code.replaceAll(from, to);
  }
  return code;
}

function frameOf(data: unknown): Frame {
  const value: unknown = typeof data === "string" ? JSON.parse(data) : null;
  if (typeof value !== "object" || value === null) throw new Error("a frame that is no JSON object in text");
  return Object.fromEntries(Object.entries(value));
}

export class Page {
  readonly #context: Context;
  readonly #sockets: WebSocket[] = [];
  readonly #frames: Frame[] = [];
  readonly #waiters = new Set<() => void>();
  /** Arguments of `console.log`, as JSON would carry them. */
  readonly logged: unknown[][] = [];
  /** Close codes, in the order of the ends. */
  readonly closes: number[] = [];
  /** Opened connections so far. */
  opened = 0;
  readonly #timers: Timer[] = [];

  /** `globals` are what the client expects to be defined; `ca` is who signs certificates for this page. */
  constructor(globals: Readonly<Record<string, unknown>> = {}, ca?: string) {
    const log = (...values: unknown[]): void => this.#note(() => this.logged.push(JSON.parse(JSON.stringify(values))));
    const listen = (socket: WebSocket): void => this.#listen(socket);
    this.#context = createContext({
      WebSocket: class extends WebSocket {
        constructor(url: string, protocols: string[] = []) {
          super(url, { protocols, ...(ca !== undefined && { tls: { ca } }) });
          listen(this);
        }
      },
      console: { log, error: log },
      // Kept instead of waited for, so that a client's own pause passes when a test says so.
      setTimeout: (callback: () => void, delayMs: number) => this.#note(() => this.#timers.push({ callback, delayMs })),
      ...globals,
    });
  }

  /** One entry in the console: later ones see what it declared. */
  enter(code: string): void {
    runInContext(code, this.#context);
  }

  /** The next frame of that type; those before it are passed over. */
  frame(type: string): Promise<Frame> {
    return this.until(`a frame ${type}`, () => {
      const index = this.#frames.findIndex((frame) => frame["type"] === type);
      return index === -1 ? undefined : this.#frames.splice(0, index + 1).at(-1);
    });
  }

  /** The timer that the client set next; `fire` it when its time has come. */
  timer(): Promise<Timer> {
    return this.until("a timer", () => this.#timers.shift());
  }

  /** Waits until `probe` gives a value; it is asked again whenever something happens on the page. */
  until<T>(what: string, probe: () => T | undefined): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const check = (): void => {
      const value = probe();
      if (value !== undefined) resolve(value);
    };
    const timeout = setTimeout(() => reject(new Error(`waited ${TIMEOUT_MS} ms for ${what}`)), TIMEOUT_MS);
    this.#waiters.add(check);
    check();
    return promise.finally(() => {
      clearTimeout(timeout);
      this.#waiters.delete(check);
    });
  }

  /** Closes every connection, and is done once the server has answered. */
  async leave(): Promise<void> {
    for (const socket of this.#sockets) socket.close();
    await this.until("every close", () => (this.closes.length >= this.#sockets.length ? true : undefined));
  }

  #listen(socket: WebSocket): void {
    this.#sockets.push(socket);
    socket.addEventListener("open", () => this.#note(() => (this.opened += 1)));
    socket.addEventListener("message", ({ data }) => this.#note(() => this.#frames.push(frameOf(data))));
    socket.addEventListener("close", ({ code }) => this.#note(() => this.closes.push(code)));
  }

  #note(change: () => void): void {
    change();
    for (const check of this.#waiters) check();
  }
}
