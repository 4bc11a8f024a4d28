import { closeSync, openSync, writeSync } from "node:fs";
import type { Entry } from "./history.ts";

const FLUSH_AT_LENGTH = 65_536;
const FLUSH_EVERY_MS = 100;

/** Omits over a union: each of its members keeps its own fields. */
type Untimed<T> = T extends Entry ? Omit<T, "atMs"> : never;

/** The history of one process, as a file of JSON lines. What was recorded in the last 100 ms is lost with the process. */
export class Recorder {
  readonly #file: number;
  readonly #timer: NodeJS.Timeout;
  #text = "";

  constructor(path: string) {
    this.#file = openSync(path, "w");
    this.#timer = setInterval(() => this.flush(), FLUSH_EVERY_MS);
  }

  record(entry: Untimed<Entry>, atMs = Date.now()): void {
    this.#text += `${JSON.stringify({ atMs, ...entry })}\n`;
    if (this.#text.length >= FLUSH_AT_LENGTH) this.flush();
  }

  flush(): void {
    if (this.#text === "") return;
    writeSync(this.#file, this.#text);
    this.#text = "";
  }

  close(): void {
    clearInterval(this.#timer);
    this.flush();
    closeSync(this.#file);
  }
}
