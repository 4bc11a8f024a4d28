import type { Entry, Place } from "./history.ts";
import { payloadOf, TOPIC } from "./story.ts";

/** A node that keeps every promise, its members and their mishaps: what a run records when nothing is wrong. */

export const ACTIONS = [
  ...["publish", "publish", "publish", "read", "read", "connect", "connect", "end", "leave"],
  ...["restart", "skip", "again", "bar", "refuse"],
] as const;
export type Action = (typeof ACTIONS)[number];

export interface Step {
  readonly action: string;
  /** Which member; any integer. */
  readonly who: number;
  /** How much, or which of the ways; any integer. */
  readonly amount: number;
}

/** What the node still recovers. */
const HISTORY_SIZE = 5;
const MEMBERS = 4;

type Letter = Exclude<Entry, { readonly op: "attempt" | "ack" }>;
interface Said {
  readonly from: string;
  readonly id: string;
}

class Participant {
  readonly name: string;
  state: "out" | "in" | "away" | "barred" = "out";
  /** Where it goes on; null while it is no member. */
  position: Place | null = null;
  /** What is on its way to it. */
  queue: Letter[] = [];
  last: Letter | null = null;

  constructor(name: string) {
    this.name = name;
  }
}

export class Simulation {
  readonly entries: Entry[] = [];
  readonly #members = Array.from({ length: MEMBERS }, (_, i) => new Participant(`s${i}`));
  #epoch = 1;
  #stream: Said[] = [];
  #ids = 0;
  /** Sent, and not confirmed yet. */
  #pending: { readonly said: Said; readonly place: Place }[] = [];

  step({ action, who, amount }: Step): void {
    const member = this.#members[who % MEMBERS];
    if (member === undefined) return;
    const isIn = member.state === "in";
    if (action === "publish") this.#publish(`p${who % 2}`, amount);
    else if (action === "connect") this.#connect(member, amount);
    else if (action === "restart") this.#restart(amount);
    else if (action === "refuse") this.#add({ op: "refusal", ...this.#by("p0"), id: "refused", code: "UNAVAILABLE" });
    else if (!isIn) return;
    else if (action === "read") this.#read(member, amount % 8);
    else if (action === "end") this.#end(member);
    else if (action === "leave") this.#leave(member);
    else if (action === "skip") this.#skip(member);
    else if (action === "again" && member.last !== null) this.#add({ ...member.last, atMs: this.#nowMs });
    else if (action === "bar") this.#bar(member);
  }

  /** Everybody comes back and reads to the end. */
  settle(): readonly Entry[] {
    for (const { said, place } of this.#pending) {
      this.#attempt(said);
      this.#add({ op: "ack", ...this.#by(said.from), id: said.id, ...place });
    }
    for (const member of this.#members) if (member.state !== "barred") this.#connect(member, 1);
    for (const member of this.#members) this.#read(member, Number.POSITIVE_INFINITY);
    const present = this.#members.filter(({ state }) => state === "in").map(({ name }) => name);
    this.#add({ op: "truth", ...this.#by("kit"), users: present });
    for (const name of present) this.#add({ op: "seen", ...this.#by(name), users: present });
    for (const { name } of this.#members) this.#add({ op: "stop", atMs: this.#nowMs, client: name });
    return this.entries;
  }

  get #nowMs(): number {
    return 1_000 + this.entries.length;
  }

  #by(client: string): { readonly atMs: number; readonly client: string; readonly topic: string } {
    return { atMs: this.#nowMs, client, topic: TOPIC };
  }

  #add(entry: Entry): void {
    this.entries.push(entry);
  }

  #place(offset = this.#stream.length): Place {
    return { offset, epoch: `e${this.#epoch}` };
  }

  #attempt({ from, id }: Said): void {
    this.#add({ op: "attempt", ...this.#by(from), id, payload: payloadOf(id) });
  }

  #publish(from: string, amount: number): void {
    const said = { from, id: `m${++this.#ids}` };
    this.#attempt(said);
    this.#stream.push(said);
    const place = this.#place();
    for (const member of this.#members)
      if (member.state === "in") member.queue.push(this.#receipt(member, place, "live"));
    // One in four confirmations is lost; the message is sent again in the end.
    if (amount % 4 > 0) this.#add({ op: "ack", ...this.#by(from), id: said.id, ...place });
    else this.#pending.push({ said, place });
  }

  #receipt({ name }: Participant, place: Place, via: "live" | "recovery"): Letter {
    const { from, id } = this.#stream[place.offset - 1] ?? { from: "", id: "" };
    const said = { from, id, payload: payloadOf(id), publishedAtMs: this.#nowMs };
    return { op: "receipt", ...this.#by(name), ...place, ...said, via };
  }

  #read(member: Participant, letters: number): void {
    for (const letter of member.queue.splice(0, letters)) {
      this.#add({ ...letter, atMs: this.#nowMs });
      if (letter.op !== "receipt") continue;
      member.position = { offset: letter.offset, epoch: letter.epoch };
      member.last = letter;
    }
  }

  #connect(member: Participant, amount: number): void {
    if (member.state === "in") return;
    if (member.state === "barred") {
      if (amount % 2 === 0) return;
      this.#add({ op: "allowed", ...this.#by(member.name) });
    }
    const since = member.position;
    const position = this.#place();
    const isKept = since?.epoch === position.epoch && position.offset - since.offset <= HISTORY_SIZE;
    const recovered = since === null ? null : isKept;
    this.#add({ op: "join", ...this.#by(member.name), position, since, recovered, user: member.name });
    if (since === null || !isKept) member.position = position;
    else {
      for (let offset = since.offset + 1; offset <= position.offset; offset++) {
        member.queue.push(this.#receipt(member, this.#place(offset), "recovery"));
      }
    }
    member.state = "in";
    this.#tell(member, "joined");
  }

  #end(member: Participant): void {
    this.#add({ op: "end", atMs: this.#nowMs, client: member.name, code: 1006 });
    member.queue = [];
    member.state = "away";
    this.#tell(member, "left");
  }

  #leave(member: Participant): void {
    const askedAtMs = this.#nowMs;
    this.#read(member, Number.POSITIVE_INFINITY);
    this.#add({ op: "leave", ...this.#by(member.name), askedAtMs });
    Object.assign(member, { state: "out", position: null, last: null });
    this.#tell(member, "left");
  }

  /** The node lost messages on their way, and says so. */
  #skip(member: Participant): void {
    member.queue = member.queue.filter(({ op }) => op !== "receipt");
    member.position = this.#place();
    member.queue.push({ op: "gap", ...this.#by(member.name), position: this.#place() });
    this.#read(member, Number.POSITIVE_INFINITY);
  }

  #bar(member: Participant): void {
    this.#add({ op: "barred", ...this.#by(member.name), allowanceMs: 0 });
    this.#end(member);
    member.state = "barred";
  }

  #restart(amount: number): void {
    // A restart is rarer than the other steps.
    if (amount % 3 > 0) return;
    for (const member of this.#members) {
      if (member.state !== "in") continue;
      this.#add({ op: "end", atMs: this.#nowMs, client: member.name, code: 1012 });
      member.queue = [];
      member.state = "away";
    }
    this.#epoch += 1;
    this.#stream = [];
  }

  #tell(about: Participant, op: "joined" | "left"): void {
    for (const { name, state, queue } of this.#members) {
      if (state === "in" && name !== about.name) queue.push({ op, ...this.#by(name), user: about.name });
    }
  }
}

export function simulate(steps: readonly Step[]): readonly Entry[] {
  const simulation = new Simulation();
  for (const step of steps) simulation.step(step);
  return simulation.settle();
}
