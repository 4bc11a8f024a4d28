import type { Entry, Place } from "./history.ts";

/** A history as tests tell it, about one topic unless they say otherwise. Every entry is a millisecond later than the one before. */

type Fields<Op extends Entry["op"]> = Partial<Omit<Extract<Entry, { readonly op: Op }>, "op">>;

export const TOPIC = "room:r";
export const EPOCH = "e1";

export function placeAt(offset: number, epoch = EPOCH): Place {
  return { offset, epoch };
}

export function payloadOf(id: string): string {
  return `text of ${id}`;
}

export class Story {
  readonly entries: Entry[] = [];
  readonly #sender: string;

  constructor(sender = "pub") {
    this.#sender = sender;
  }

  get nowMs(): number {
    return 1_000 + this.entries.length;
  }

  /** Sent and confirmed: the message `m5` for the offset 5. */
  publish(offset: number, epoch = EPOCH, id = `m${offset}`): this {
    return this.attempt(id).ack(offset, { epoch, id });
  }

  attempt(id: string, fields: Fields<"attempt"> = {}): this {
    return this.#add({ op: "attempt", ...this.#by(this.#sender), id, payload: payloadOf(id), ...fields });
  }

  ack(offset: number, fields: Fields<"ack"> = {}): this {
    return this.#add({ op: "ack", ...this.#by(this.#sender), ...placeAt(offset), id: `m${offset}`, ...fields });
  }

  refusal(id: string): this {
    return this.#add({ op: "refusal", ...this.#by(this.#sender), id, code: "RATE_LIMITED" });
  }

  join(client: string, offset: number, fields: Fields<"join"> = {}): this {
    const position = placeAt(offset);
    return this.#add({ op: "join", ...this.#by(client), position, recovered: null, since: null, ...fields });
  }

  /** Back at `since`, answered with `offset`. */
  rejoin(client: string, since: Place, position: Place, recovered: boolean): this {
    return this.join(client, position.offset, { since, position, recovered });
  }

  receive(client: string, offset: number, fields: Fields<"receipt"> = {}): this {
    const id = fields.id ?? `m${offset}`;
    const said = { from: this.#sender, id, payload: payloadOf(id) };
    const came = { ...said, via: "live", publishedAtMs: this.nowMs } as const;
    return this.#add({ op: "receipt", ...this.#by(client), ...placeAt(offset), ...came, ...fields });
  }

  recover(client: string, ...offsets: readonly number[]): this {
    for (const offset of offsets) this.receive(client, offset, { via: "recovery" });
    return this;
  }

  gap(client: string, position: Place): this {
    return this.#add({ op: "gap", ...this.#by(client), position });
  }

  leave(client: string): this {
    return this.#add({ op: "leave", ...this.#by(client), askedAtMs: this.nowMs });
  }

  end(client: string, code = 1006): this {
    return this.#add({ op: "end", atMs: this.nowMs, client, code });
  }

  stop(...clients: readonly string[]): this {
    for (const client of clients) this.#add({ op: "stop", atMs: this.nowMs, client });
    return this;
  }

  seen(client: string, ...users: readonly string[]): this {
    return this.#add({ op: "seen", ...this.#by(client), users });
  }

  truth(...users: readonly string[]): this {
    return this.#add({ op: "truth", ...this.#by("kit"), users });
  }

  told(client: string, op: "joined" | "left", user: string): this {
    return this.#add({ op, ...this.#by(client), user });
  }

  diff(client: string): this {
    return this.#add({ op: "diff", ...this.#by(client) });
  }

  barred(client: string, allowanceMs = 0): this {
    return this.#add({ op: "barred", ...this.#by(client), allowanceMs });
  }

  allowed(client: string): this {
    return this.#add({ op: "allowed", ...this.#by(client) });
  }

  fault(name: string, detail = ""): this {
    return this.#add({ op: "fault", atMs: this.nowMs, client: "kit", name, detail });
  }

  #by(client: string): { readonly atMs: number; readonly client: string; readonly topic: string } {
    return { atMs: this.nowMs, client, topic: TOPIC };
  }

  #add(entry: Entry): this {
    this.entries.push(entry);
    return this;
  }
}
