import { userName } from "./dialect.ts";
import { hs256Token } from "./tokens.ts";

const INTERVAL_MS = 5;
const DEADLINE_MS = 10_000;
const PING = JSON.stringify({ type: "ping" });
/** None of the generator's. */
const USER = userName(99_998);

export interface ProbeReport {
  readonly pings: number;
  readonly medianMs: number;
  readonly worstMs: number;
  /** How far a ping was sent behind its time: what this process itself was kept waiting. */
  readonly latestMs: number;
}

/**
 * A client that asks for a `pong` every 5 ms, whether the one before came or not: no answer can come while the node's loop is busy with
 * something else. It lives in the benchmark's own process, which has nothing else to do, for the generator has its hands full.
 */
export class Probe {
  readonly #socket: WebSocket;
  /** When each ping was to be sent that has no answer yet: they are answered in order. */
  #sent: number[] = [];
  #roundTripsMs: number[] = [];
  #latestMs = 0;
  #nextMs = 0;
  #timer: Timer | null = null;
  #answered: () => void = () => {};

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.onmessage = ({ data }) => {
      if (String(data).startsWith('{"type":"pong"')) this.#pong();
    };
  }

  static connect(port: number, secret: string, issuedAtS: number): Promise<Probe> {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/ws?token=${hs256Token(secret, USER, "probe", issuedAtS)}`);
    return new Promise((resolve, reject) => {
      socket.onmessage = () => resolve(new Probe(socket));
      socket.onclose = () => reject(new Error("the probe was refused"));
    });
  }

  start(): void {
    this.#roundTripsMs = [];
    this.#latestMs = 0;
    this.#nextMs = performance.now();
    this.#timer = setInterval(() => this.#ping(), INTERVAL_MS);
  }

  /** Waits for the answers that are due. */
  async stop(): Promise<ProbeReport> {
    if (this.#timer !== null) clearInterval(this.#timer);
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error("a ping was not answered")), DEADLINE_MS);
      this.#answered = () => {
        if (this.#sent.length > 0) return;
        clearTimeout(timer);
        resolve();
      };
      this.#answered();
    });
    const sorted = this.#roundTripsMs.toSorted((a, b) => a - b);
    return {
      pings: sorted.length,
      medianMs: sorted[sorted.length >> 1] ?? Number.NaN,
      worstMs: sorted.at(-1) ?? Number.NaN,
      latestMs: this.#latestMs,
    };
  }

  close(): void {
    this.#socket.close();
  }

  #ping(): void {
    const now = performance.now();
    this.#latestMs = Math.max(this.#latestMs, now - this.#nextMs);
    this.#nextMs = now + INTERVAL_MS;
    this.#sent.push(now);
    this.#socket.send(PING);
  }

  #pong(): void {
    const sent = this.#sent.shift();
    if (sent !== undefined) this.#roundTripsMs.push(performance.now() - sent);
    this.#answered();
  }
}
