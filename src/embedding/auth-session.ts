import type { ClientAddress } from "../hub/address.ts";
import type { Grants } from "../hub/grants.ts";
import { type Bucket, fullBucket, type Rate } from "../hub/limits.ts";
import type { Verdicts } from "../hub/verdicts.ts";
import type { Principal } from "../protocol/principal.ts";

/** Messages that wait behind one that waits for a permission. */
const MAX_WAITING = 256;

/** What is known of a connection that an application upgrades by itself. */
export class AuthSession {
  readonly principal: Principal;
  readonly client: ClientAddress;
  readonly messages: Bucket;
  /** Topics that it subscribed to. */
  readonly topics = new Set<string>();
  grants: Grants | null = null;
  verdicts: Verdicts | null = null;
  /** Somebody looks after the end of its token. */
  isWatched = false;
  #last: Promise<unknown> | null = null;
  #waiting = 0;

  constructor(principal: Principal, client: ClientAddress, rate: Rate, nowMs: number) {
    this.principal = principal;
    this.client = client;
    this.messages = fullBucket(rate, nowMs);
  }

  get isFull(): boolean {
    return this.#waiting >= MAX_WAITING;
  }

  /** Runs behind whatever still waits for something, so that messages keep their order. `run` never throws or rejects. */
  inOrder<T>(run: () => T | Promise<T>): T | Promise<T> {
    if (this.#last === null) {
      const done = run();
      return done instanceof Promise ? this.#follow(done) : done;
    }
    this.#waiting += 1;
    return this.#follow(
      this.#last.then(() => {
        this.#waiting -= 1;
        return run();
      }),
    );
  }

  #follow<T>(done: Promise<T>): Promise<T> {
    this.#last = done;
    const finish = (): void => {
      if (this.#last === done) this.#last = null;
    };
    done.then(finish, finish);
    return done;
  }
}
