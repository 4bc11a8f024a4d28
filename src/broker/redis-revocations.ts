import * as v from "valibot";
import type { Clock } from "../observe/clock.ts";
import { ProtocolError } from "../protocol/codes.ts";
import type { Revocation, RevocationKind, RevocationStore, RevokedElsewhere } from "./broker.ts";
import { both, MAX_REVOCATIONS, MemoryRevocations } from "./memory-revocations.ts";
import type { RedisLink } from "./redis/link.ts";
import { type Copy, type Kept, Register, type Taken } from "./redis/register.ts";
import type { Draft, Entry } from "./redis/register-keys.ts";
import { decodedJson } from "./redis/stored-json.ts";

const instant = v.pipe(v.number(), v.safeInteger());
const schema = v.object({
  kind: v.picklist(["jti", "sid", "sub"] satisfies RevocationKind[]),
  value: v.pipe(v.string(), v.minLength(1), v.maxLength(256)),
  issuedBeforeMs: v.nullable(instant),
  untilMs: instant,
  node: v.pipe(v.string(), v.maxLength(256)),
});

export interface RedisRevocationsPorts {
  readonly link: RedisLink;
  readonly clock: Clock;
  readonly nodeId: string;
  readonly onRevoked: (revoked: readonly RevokedElsewhere[]) => void;
  readonly report: (fields: Readonly<Record<string, string | number>>) => void;
}

/** The revocations of all nodes, in a Redis, with a copy here that every token is held against. */
export class RedisRevocations implements RevocationStore, Copy<RevokedElsewhere> {
  readonly #copy: MemoryRevocations;
  readonly #clock: Clock;
  readonly #nodeId: string;
  readonly #register: Register<RevokedElsewhere>;

  constructor({ link, clock, nodeId, onRevoked, report }: RedisRevocationsPorts, maxRevocations = MAX_REVOCATIONS) {
    this.#copy = new MemoryRevocations(clock, maxRevocations);
    this.#clock = clock;
    this.#nodeId = nodeId;
    this.#register = new Register({
      ...{ link, clock, name: "revocations", most: maxRevocations, copy: this, onNews: onRevoked, report },
    });
  }

  get size(): number {
    return this.#copy.size;
  }

  get ready(): boolean {
    return this.#register.ready;
  }

  /** Entries that no node has made. */
  get rejected(): number {
    return this.#register.skipped;
  }

  start(): Promise<void> {
    return this.#register.start();
  }

  add(revocation: Revocation): Promise<void> {
    return this.#register.change(fieldOf(revocation), "", (stored) => {
      const known = stored === null ? null : revocationIn(stored);
      return this.#draftOf(known === null || this.#isOver(known) ? revocation : both(known, revocation));
    });
  }

  find(kind: RevocationKind, value: string): Revocation | null {
    return this.#copy.find(kind, value);
  }

  sweep(): void {
    this.#copy.sweep();
    this.#register.sweep();
  }

  take(entry: Entry): Taken<RevokedElsewhere> | null {
    const stored = revocationIn(entry);
    if (stored === null) return null;
    if (this.#isOver(stored)) return { news: null, better: null };
    const { node, ...revocation } = stored;
    const before = this.find(stored.kind, stored.value);
    try {
      this.#copy.add(revocation);
    } catch (error) {
      if (error instanceof ProtocolError) return null;
      throw error;
    }
    const now = before === null ? revocation : both(before, revocation);
    return {
      news: before !== null && isSame(before, now) ? null : { ...now, node },
      better: isSame(now, revocation) ? null : this.#keep(now),
    };
  }

  *kept(): Generator<Kept, void> {
    for (const revocation of this.#copy.all()) if (!this.#isOver(revocation)) yield this.#keep(revocation);
  }

  #keep(revocation: Revocation): Kept {
    return { field: fieldOf(revocation), draft: this.#draftOf(revocation), version: null };
  }

  #draftOf({ kind, value, issuedBeforeMs, untilMs }: Revocation): Draft {
    const text = JSON.stringify({ kind, value, issuedBeforeMs, untilMs, node: this.#nodeId });
    return { text, state: "live", endsMs: untilMs };
  }

  #isOver({ untilMs }: Revocation): boolean {
    return this.#clock.now() >= untilMs;
  }
}

/** Quoted: a token's id may be text that has no UTF-8. */
function fieldOf({ kind, value }: Pick<Revocation, "kind" | "value">): string {
  return `${kind}:${JSON.stringify(value)}`;
}

function revocationIn({ field, text }: Entry): RevokedElsewhere | null {
  const stored = decodedJson(schema, text);
  return stored !== null && fieldOf(stored) === field ? stored : null;
}

function isSame(one: Revocation, other: Revocation): boolean {
  return one.issuedBeforeMs === other.issuedBeforeMs && one.untilMs === other.untilMs;
}
