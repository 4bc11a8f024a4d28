import type { Clock } from "../observe/clock.ts";
import { TautlineError } from "./error.ts";
import type { Frame } from "./frame.ts";
import type { Membership } from "./membership.ts";

export interface JoinPorts {
  readonly send: (frame: object) => void;
  readonly id: () => string;
  readonly joined: () => void;
  /** The topic cannot be had, and is not tried again. */
  readonly refused: (membership: Membership, error: TautlineError) => void;
}

/** Joins without an answer: whoever has many topics sends a few at a time, so that none is refused for being too many. */
const MAX_IN_FLIGHT = 16;

/** The joins of one connection. */
export class Joins {
  readonly #clock: Clock;
  readonly #ports: JoinPorts;
  readonly #queue = new Set<Membership>();
  readonly #inFlight = new Map<string, Membership>();
  #isPaused = false;
  #cancel: () => void = () => undefined;

  constructor(clock: Clock, ports: JoinPorts) {
    this.#clock = clock;
    this.#ports = ports;
  }

  add(membership: Membership): void {
    membership.inbox.joins();
    this.#queue.add(membership);
    this.#pump();
  }

  forget(membership: Membership): void {
    this.#queue.delete(membership);
    for (const [id, other] of this.#inFlight) if (other === membership) this.#inFlight.delete(id);
  }

  lost(): void {
    this.#cancel();
    this.#isPaused = false;
    this.#queue.clear();
    this.#inFlight.clear();
  }

  /** False when it answers no join. */
  answer(id: unknown, frame: Frame): boolean {
    const membership = this.#take(id);
    membership?.joinedWith(frame);
    if (membership !== undefined) this.#ports.joined();
    this.#pump();
    return membership !== undefined;
  }

  fail(id: unknown, error: TautlineError): boolean {
    const membership = this.#take(id);
    if (membership === undefined) return false;
    if (error.retryAfterMs === undefined) this.#ports.refused(membership, error);
    else this.#again(membership, error.retryAfterMs);
    this.#pump();
    return true;
  }

  #pump(): void {
    for (const membership of this.#queue) {
      if (this.#isPaused || this.#inFlight.size >= MAX_IN_FLIGHT) return;
      this.#queue.delete(membership);
      const id = this.#ports.id();
      this.#inFlight.set(id, membership);
      const frame = membership.joinFrame();
      if (frame instanceof Promise) void this.#sendLater(id, frame);
      else this.#ports.send({ ...frame, id });
    }
  }

  async #sendLater(id: string, frame: Promise<object>): Promise<void> {
    try {
      const known = await frame;
      if (this.#inFlight.has(id)) this.#ports.send({ ...known, id });
    } catch (cause) {
      this.fail(id, new TautlineError("TOKEN_FAILED", { cause }));
    }
  }

  #again(membership: Membership, afterMs: number): void {
    this.#queue.add(membership);
    this.#isPaused = true;
    this.#cancel();
    this.#cancel = this.#clock.after(afterMs, () => {
      this.#isPaused = false;
      this.#pump();
    });
  }

  #take(id: unknown): Membership | undefined {
    const membership = this.#inFlight.get(String(id));
    this.#inFlight.delete(String(id));
    return membership;
  }
}
