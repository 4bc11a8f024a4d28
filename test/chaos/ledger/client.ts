import type { Member } from "./member.ts";

/** A client over all its connections. */
export class Client {
  readonly name: string;
  readonly members = new Map<string, Member>();
  reconnects = 0;
  /** The longest time between the end of a connection and the next answer to a join, milliseconds. */
  maxBlackoutMs = 0;
  #endedAtMs: number | null = null;
  #isStopped = false;

  constructor(name: string) {
    this.name = name;
  }

  joined(atMs: number): void {
    if (this.#endedAtMs === null) return;
    this.reconnects += 1;
    this.maxBlackoutMs = Math.max(this.maxBlackoutMs, atMs - this.#endedAtMs);
    this.#endedAtMs = null;
  }

  ended(atMs: number): void {
    // Attempts to connect that fail end, too: the time runs from the first.
    if (!this.#isStopped) this.#endedAtMs ??= atMs;
  }

  stopped(): void {
    this.#isStopped = true;
  }
}
