import type { CheckName } from "./check.ts";
import type { Attempt, Entry, Join, Place, Receipt } from "./history.ts";
import { payloadOf } from "./story.ts";

/** Ways to make a true history a false one. Each takes any place where what it does cannot be anything but wrong. */

export interface Tampering {
  readonly name: string;
  /** Checks of which at least one must speak. */
  readonly by: readonly CheckName[];
  /** `pick` chooses among the places; null where there is none. */
  readonly spoil: (entries: readonly Entry[], pick: number) => readonly Entry[] | null;
}

const isReceipt = (entry: Entry): entry is Receipt => entry.op === "receipt";

function receiptsOf(entries: readonly Entry[], { client, offset, epoch }: Receipt): readonly Receipt[] {
  return entries.filter(isReceipt).filter((at) => at.client === client && isAt(at, { offset, epoch }));
}

function isAt(place: Place, { offset, epoch }: Place): boolean {
  return place.offset === offset && place.epoch === epoch;
}

/** Somebody else shows that the message is there. */
function isKnown(entries: readonly Entry[], client: string, place: Place): boolean {
  return entries.some(
    (entry) => (entry.op === "ack" || (entry.op === "receipt" && entry.client !== client)) && isAt(entry, place),
  );
}

/** The next entry of the client behind `index` that is about messages. */
function nextOf(entries: readonly Entry[], index: number): number {
  const { client } = entries[index] ?? { client: "" };
  return entries.findIndex(
    (entry, at) => at > index && entry.client === client && ["receipt", "gap", "leave", "join"].includes(entry.op),
  );
}

function choose<T>(candidates: readonly T[], pick: number): T | null {
  return candidates[pick % candidates.length] ?? null;
}

/** Changes one of the entries that may be changed. */
function change<E extends Entry>(
  mayBe: (entry: Entry, index: number, entries: readonly Entry[]) => entry is E,
  make: (entry: E, entries: readonly Entry[]) => readonly Entry[],
): Tampering["spoil"] {
  return (entries, pick) => {
    const candidates = entries.flatMap((entry, index) => (mayBe(entry, index, entries) ? [{ entry, index }] : []));
    const chosen = choose(candidates, pick);
    if (chosen === null) return null;
    return entries.toSpliced(chosen.index, 1, ...make(chosen.entry, entries));
  };
}

function isSingle(entry: Entry, entries: readonly Entry[]): entry is Receipt {
  return isReceipt(entry) && receiptsOf(entries, entry).length === 1;
}

function isFollowed(entry: Receipt, index: number, entries: readonly Entry[]): boolean {
  const next = entries[nextOf(entries, index)];
  return next?.op === "receipt" && next.epoch === entry.epoch && next.offset > entry.offset;
}

function anotherMessage(entries: readonly Entry[], { id }: Receipt): Attempt | undefined {
  return entries.find((entry): entry is Attempt => entry.op === "attempt" && entry.id !== id);
}

/** The receipt as if it had brought another message. */
function asAnother(receipt: Receipt, entries: readonly Entry[]): Receipt {
  const { client: from, id, payload } = anotherMessage(entries, receipt) ?? { ...receipt };
  return { ...receipt, from, id, payload };
}

function missedBy({ client, position, since }: Join, entries: readonly Entry[]): boolean {
  if (since === null || since.epoch !== position.epoch) return since !== null;
  return entries.some(
    (entry) =>
      entry.op === "ack" &&
      entry.epoch === since.epoch &&
      entry.offset > since.offset &&
      entry.offset <= position.offset &&
      !entries.some((came) => isReceipt(came) && came.client === client && isAt(came, entry)),
  );
}

/** Who leaves before a late confirmation is not owed the message, and a gap would say after all that it is lost. */
function staysMember(client: string, entries: readonly Entry[]): boolean {
  return !entries.some(
    ({ op, client: gone }) => gone === client && (op === "barred" || op === "leave" || op === "gap"),
  );
}

export const TAMPERINGS: readonly Tampering[] = [
  {
    name: "a receipt is gone",
    by: ["lost", "recovery"],
    spoil: change(
      (entry, index, entries): entry is Receipt =>
        isSingle(entry, entries) && isKnown(entries, entry.client, entry) && isFollowed(entry, index, entries),
      () => [],
    ),
  },
  {
    name: "a text is another",
    by: ["phantom", "duplicated"],
    spoil: change(isReceipt, (receipt) => [{ ...receipt, payload: `${receipt.payload}!` }]),
  },
  {
    name: "two messages change places",
    by: ["order"],
    spoil: (entries, pick) => {
      const candidates = entries.flatMap((entry, index) => {
        if (!isSingle(entry, entries) || entry.via !== "live" || !isFollowed(entry, index, entries)) return [];
        const next = nextOf(entries, index);
        const other = entries[next];
        return other !== undefined && isSingle(other, entries) && other.via === "live"
          ? [{ entry, index, other, next }]
          : [];
      });
      const chosen = choose(candidates, pick);
      return chosen && entries.with(chosen.index, chosen.other).with(chosen.next, chosen.entry);
    },
  },
  {
    name: "a message is invented",
    by: ["phantom"],
    spoil: change(isReceipt, (receipt) => [
      receipt,
      { ...receipt, offset: 1_000, id: "invented", payload: payloadOf("invented") },
    ]),
  },
  {
    name: "a confirmation names another place",
    by: ["divergence"],
    spoil: change(
      (entry, _, entries): entry is Entry & { readonly op: "ack" } =>
        entry.op === "ack" && entries.some((at) => isReceipt(at) && isAt(at, entry)),
      (ack) => [{ ...ack, offset: ack.offset + 1_000 }],
    ),
  },
  {
    name: "a client sees another message than others",
    by: ["divergence"],
    spoil: change(
      (entry, _, entries): entry is Receipt =>
        isSingle(entry, entries) &&
        anotherMessage(entries, entry) !== undefined &&
        entries.some((at) => isReceipt(at) && at.client !== entry.client && isAt(at, entry)),
      (receipt, entries) => [asAnother(receipt, entries)],
    ),
  },
  {
    name: "a place comes again with another message",
    by: ["reuse"],
    spoil: change(
      (entry, _, entries): entry is Receipt => isReceipt(entry) && anotherMessage(entries, entry) !== undefined,
      (receipt, entries) => [receipt, asAnother(receipt, entries)],
    ),
  },
  {
    name: "a message is published twice",
    by: ["retries"],
    spoil: change(isReceipt, (receipt) => [receipt, { ...receipt, offset: 1_000 }]),
  },
  {
    name: "an answer promises what is gone",
    by: ["recovery"],
    spoil: change(
      (entry, _, entries): entry is Join =>
        entry.op === "join" &&
        entry.recovered === false &&
        staysMember(entry.client, entries) &&
        missedBy(entry, entries),
      (join) => [{ ...join, recovered: true }],
    ),
  },
  {
    name: "a position goes back",
    by: ["order"],
    spoil: change(
      (entry): entry is Join =>
        entry.op === "join" && entry.since?.epoch === entry.position.epoch && entry.since.offset > 0,
      (join) => [{ ...join, position: { ...join.position, offset: (join.since?.offset ?? 1) - 1 } }],
    ),
  },
  {
    name: "a ghost is seen",
    by: ["presence"],
    spoil: change(
      (entry): entry is Entry & { readonly op: "seen" } => entry.op === "seen",
      (seen) => [{ ...seen, users: [...seen.users, "ghost"] }],
    ),
  },
  {
    name: "a user is not seen",
    by: ["presence"],
    spoil: change(
      (entry): entry is Entry & { readonly op: "seen" } => entry.op === "seen",
      (seen) => [{ ...seen, users: seen.users.slice(1) }],
    ),
  },
  {
    name: "a coming or going is told twice",
    by: ["presence"],
    spoil: change(
      (entry): entry is Entry & { readonly op: "joined" | "left" } => entry.op === "joined" || entry.op === "left",
      (told) => [told, told],
    ),
  },
  {
    name: "a message comes to a client that is barred",
    by: ["barred"],
    spoil: change(
      (entry, _, entries): entry is Entry & { readonly op: "barred" } =>
        entry.op === "barred" && entries.some(isReceipt),
      (bar, entries) => [
        bar,
        ...entries
          .filter(isReceipt)
          .slice(0, 1)
          .map((receipt) => ({
            ...{ ...receipt, client: bar.client },
            ...{ atMs: bar.atMs + 0.5, publishedAtMs: bar.atMs + 0.5 },
          })),
      ],
    ),
  },
];
