import * as v from "valibot";
import { ProtocolError } from "../protocol/codes.ts";
import type { Principal } from "../protocol/principal.ts";
import type { TicketStore } from "./broker.ts";
import { TICKET_BOUNDS, type TicketBounds } from "./memory-tickets.ts";
import type { RedisLink } from "./redis/link.ts";
import { Script } from "./redis/script.ts";
import { principalStored, storedPrincipal } from "./redis/stored-principal.ts";
import { refusedAs, unavailable } from "./redis/unavailable.ts";

const ADD = new Script("ticket-add", ["ticket", "ofUser", "all"], ["digest", "holder", "life", "perUser", "most"]);
const addAnswer = v.tuple([v.picklist(["OK", "RATE_LIMITED", "OVERLOADED"]), v.pipe(v.string(), v.transform(Number))]);
const taken = v.nullable(v.string());

interface TicketPorts {
  readonly link: RedisLink;
  readonly report: (fields: Readonly<Record<string, string | number>>) => void;
}

/** The tickets of all nodes, in a Redis. Each is a key of its own, which ends with it. */
export class RedisTickets implements TicketStore {
  /** All of them are in Redis. */
  readonly held = 0;
  readonly #link: RedisLink;
  readonly #report: TicketPorts["report"];
  readonly #bounds: TicketBounds;
  readonly #all: string;
  #skipped = 0;

  constructor({ link, report }: TicketPorts, bounds: TicketBounds = TICKET_BOUNDS) {
    this.#link = link;
    this.#report = report;
    this.#bounds = bounds;
    this.#all = `${link.prefix}tickets`;
  }

  async add(digest: string, holder: Principal, lifeMs: number): Promise<void> {
    const keys = { ticket: this.#keyOf(digest), ofUser: this.#ofUser(holder.id), all: this.#all };
    const answer = await this.#link
      .run(ADD, keys, {
        ...{ digest, holder: storedPrincipal(holder), life: String(Math.max(1, Math.floor(lifeMs))) },
        ...{ perUser: String(this.#bounds.perUser), most: String(this.#bounds.total) },
      })
      .catch((error: unknown) => this.#fail(error));
    const [status, retryAfterMs] = v.parse(addAnswer, answer);
    if (status === "RATE_LIMITED") throw new ProtocolError("RATE_LIMITED", { retryAfterMs });
    if (status === "OVERLOADED") throw new ProtocolError("OVERLOADED");
  }

  async take(digest: string): Promise<Principal | null> {
    const answer = await this.#link
      .command(["GETDEL", this.#keyOf(digest)])
      .catch((error: unknown) => this.#fail(error));
    const stored = v.parse(taken, answer);
    if (stored === null) return null;
    const holder = principalStored(stored);
    if (holder === null) {
      this.#skipped += 1;
      this.#report({ store: "tickets", skipped: 1, inAll: this.#skipped });
    }
    // Nobody waits: whatever this node asks next comes behind it, and what is lost of it ends with the ticket's life.
    if (holder !== null) this.#drop(["ZREM", this.#ofUser(holder.id), digest]);
    this.#drop(["ZREM", this.#all, digest]);
    return holder;
  }

  sweep(): void {
    // Redis does it.
  }

  #drop(command: readonly string[]): void {
    this.#link.command(command).catch(() => undefined);
  }

  #fail(error: unknown): never {
    const refused = refusedAs(error);
    if (refused !== null) this.#report({ store: "tickets", refused });
    throw unavailable(error);
  }

  #keyOf(digest: string): string {
    return `${this.#all}:${digest}`;
  }

  #ofUser(userId: string): string {
    return `${this.#all}-of:${userId}`;
  }
}
