import { ProtocolError } from "../protocol/codes.ts";

/** What one hash costs. The default is Bun's: three times the memory of OWASP's 19 MiB and 2 passes, about 120 ms of one core. */
export interface PasswordCost {
  readonly memoryKiB: number;
  readonly iterations: number;
}

export interface PasswordOptions {
  readonly cost?: PasswordCost;
  /** Hashes at the same time: each takes a core and `memoryKiB`. */
  readonly maxInFlight?: number;
  /** Requests that wait for one; beyond it `OVERLOADED`. */
  readonly maxWaiting?: number;
}

interface Waiter {
  readonly start: () => void;
  readonly refuse: (error: ProtocolError) => void;
}

const DEFAULT_COST: PasswordCost = { memoryKiB: 65_536, iterations: 2 };
const RETRY_AFTER_MS = 2_000; // what a full queue of the default size takes on two cores

/** Argon2id (RFC 9106) outside the event loop, with a bound on work in flight and a bound on what waits for it. */
export class Passwords {
  readonly #cost: PasswordCost;
  readonly #maxInFlight: number;
  readonly #maxWaiting: number;
  readonly #waiting: Waiter[] = [];
  #inFlight = 0;
  #isClosed = false;
  /** What a password is held against when there is no account: a random secret at the same cost. */
  #decoy = "";

  private constructor(options: PasswordOptions) {
    this.#cost = options.cost ?? DEFAULT_COST;
    this.#maxInFlight = options.maxInFlight ?? 2;
    this.#maxWaiting = options.maxWaiting ?? 32;
  }

  static async create(options: PasswordOptions = {}): Promise<Passwords> {
    const passwords = new Passwords(options);
    passwords.#decoy = await passwords.hash(crypto.randomUUID());
    return passwords;
  }

  /** Throws `OVERLOADED` when too many wait, `UNAVAILABLE` once closed. */
  hash(password: string): Promise<string> {
    const { memoryKiB, iterations } = this.#cost;
    const algorithm = { algorithm: "argon2id", memoryCost: memoryKiB, timeCost: iterations } as const;
    return this.#inTurn(() => Bun.password.hash(password, algorithm));
  }

  /** `hash` null is false after the same work, so that time does not tell which names exist. Throws as `hash` does. */
  async verify(password: string, hash: string | null): Promise<boolean> {
    const isMatch = await this.#inTurn(() => Bun.password.verify(password, hash ?? this.#decoy));
    return isMatch && hash !== null;
  }

  /** Refuses everything that waits and all that comes later; what is in flight ends by itself. */
  close(): void {
    this.#isClosed = true;
    for (const waiter of this.#waiting.splice(0)) waiter.refuse(new ProtocolError("UNAVAILABLE"));
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    await this.#enter();
    try {
      return await work();
    } finally {
      this.#leave();
    }
  }

  async #enter(): Promise<void> {
    if (this.#isClosed) throw new ProtocolError("UNAVAILABLE");
    if (this.#inFlight < this.#maxInFlight) {
      this.#inFlight += 1;
      return;
    }
    if (this.#waiting.length >= this.#maxWaiting)
      throw new ProtocolError("OVERLOADED", { retryAfterMs: RETRY_AFTER_MS });
    await new Promise<void>((start, refuse) => this.#waiting.push({ start, refuse }));
  }

  /** The turn passes straight to the next, so nobody who comes between can take it. */
  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#inFlight -= 1;
    else next.start();
  }
}
