import type { Ack, Attempt, Entry, Fault, Receipt, Truth } from "../history.ts";
import { Client } from "./client.ts";
import { Member } from "./member.ts";
import { Message, type Version } from "./message.ts";
import { type Slot, Stream } from "./stream.ts";

/**
 * A history by what it speaks of: messages, places and members. Only the order of each client's own entries counts, so the files of several
 * processes may be read one after the other. Judges nothing.
 */
export class Ledger {
  readonly clients = new Map<string, Client>();
  /** By topic and epoch. */
  readonly streams = new Map<string, Map<string, Stream>>();
  /** By sender and id. */
  readonly #messages = new Map<string, Map<string, Message>>();
  readonly truths: Truth[] = [];
  readonly faults: Fault[] = [];
  attempts = 0;
  refused = 0;

  add(entry: Entry): void {
    switch (entry.op) {
      case "receipt":
        return this.#receive(entry);
      case "attempt":
        return this.#attempt(entry);
      case "ack":
        return this.#acknowledge(entry);
      case "refusal":
        this.refused += 1;
        return;
      case "join":
        this.client(entry.client).joined(entry.atMs);
        return this.member(entry.client, entry.topic).mark(entry);
      case "leave":
      case "gap":
      case "seen":
      case "joined":
      case "left":
      case "diff":
        return this.member(entry.client, entry.topic).mark(entry);
      case "end":
      case "stop":
        return this.#markAll(entry);
      case "barred":
        this.member(entry.client, entry.topic).bars.push(entry);
        return;
      case "allowed":
        this.member(entry.client, entry.topic).allowedAtMs.push(entry.atMs);
        return;
      case "truth":
        this.truths.push(entry);
        return;
      case "fault":
        this.faults.push(entry);
        return;
    }
  }

  client(name: string): Client {
    return setDefault(this.clients, name, () => new Client(name));
  }

  member(name: string, topic: string): Member {
    const known = this.clients.get(name)?.members.get(topic);
    if (known !== undefined) return known;
    const client = this.client(name);
    return setDefault(client.members, topic, () => new Member(client, topic));
  }

  stream(topic: string, epoch: string): Stream {
    const known = this.streams.get(topic)?.get(epoch);
    if (known !== undefined) return known;
    const ofTopic = setDefault(this.streams, topic, () => new Map<string, Stream>());
    return setDefault(ofTopic, epoch, () => new Stream(topic, epoch));
  }

  *members(): Generator<Member, void> {
    for (const client of this.clients.values()) yield* client.members.values();
  }

  *messages(): Generator<Message, void> {
    for (const ofSender of this.#messages.values()) yield* ofSender.values();
  }

  *slots(): Generator<Slot, void> {
    for (const ofTopic of this.streams.values()) for (const stream of ofTopic.values()) yield* stream.slots.values();
  }

  /**
   * What a confirmation says of a place is believed unless the message came at another place of the stream. Only then it is known
   * which messages there are.
   */
  settle(): void {
    for (const message of this.messages()) {
      for (const [slot, atMs] of message.acked) {
        if (!message.received.has(slot) && message.receivedIn(slot.stream).length > 0) continue;
        slot.acks.add(message);
        slot.knownAtMs = Math.min(slot.knownAtMs, atMs);
      }
    }
  }

  #message(from: string, id: string): Message {
    const ofSender = setDefault(this.#messages, from, () => new Map<string, Message>());
    return setDefault(ofSender, id, () => new Message(from, id));
  }

  #attempt(attempt: Attempt): void {
    this.attempts += 1;
    this.#message(attempt.client, attempt.id).attempt ??= attempt;
  }

  #acknowledge(ack: Ack): void {
    const { acked } = this.#message(ack.client, ack.id);
    const slot = this.stream(ack.topic, ack.epoch).slot(ack.offset);
    acked.set(slot, Math.min(ack.atMs, acked.get(slot) ?? Number.POSITIVE_INFINITY));
  }

  #receive(receipt: Receipt): void {
    const slot = this.stream(receipt.topic, receipt.epoch).slot(receipt.offset);
    const version = this.#versionAt(slot, receipt);
    const isFirst = this.member(receipt.client, receipt.topic).receive(slot, version, receipt);
    if (!isFirst) return;
    slot.knownAtMs = Math.min(slot.knownAtMs, receipt.atMs);
    if (slot.views.some((view) => view.version === version)) return;
    slot.views.push({ version, client: receipt.client });
    version.message.received.add(slot);
  }

  /** Nearly always what others saw at the same place: comparing is cheaper than looking up. */
  #versionAt(slot: Slot, { from, id, topic, payload }: Receipt): Version {
    const first = slot.views[0]?.version;
    if (first?.payload === payload && first.message.id === id && first.message.from === from) return first;
    return this.#message(from, id).version(topic, payload);
  }

  #markAll(entry: Entry & { readonly op: "end" | "stop" }): void {
    const client = this.client(entry.client);
    if (entry.op === "end") client.ended(entry.atMs);
    else client.stopped();
    for (const member of client.members.values()) member.mark(entry);
  }
}

export function ledgerOf(entries: Iterable<Entry>): Ledger {
  const ledger = new Ledger();
  for (const entry of entries) ledger.add(entry);
  ledger.settle();
  return ledger;
}

function setDefault<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
