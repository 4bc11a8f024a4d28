import { ChatBatch } from "./client-frames.ts";
import { DIALECTS, roomName, userName } from "./dialect.ts";
import { Link, type LinkOwner } from "./link.ts";
import type { BroadcastReport, OpenOrder, OpenReport, Usage } from "./orders.ts";
import { cpuMs } from "./usage.ts";

/** One process has 20,000 file descriptors as a rule. */
const MAX_LINKS = 19_000;
const OPENING_AT_ONCE = 64;
const CLOSING_AT_ONCE = 64;
const OPEN_DEADLINE_MS = 120_000;
const DRAIN_DEADLINE_MS = 20_000;
const QUIET_DEADLINE_MS = 60_000;
const POLL_MS = 5;

interface Mark {
  readonly atMs: number;
  readonly serverCpuMs: number;
  readonly generatorCpuMs: number;
  readonly deliveries: number;
  readonly messages: number;
  readonly bytes: number;
}

/** All connections of one generator process to one server. Every method throws when an invariant of the run is broken. */
export class Fleet implements LinkOwner {
  #links: Link[] = [];
  #serverPid = 0;
  #opened = 0;
  #closed = 0;
  #failure: string | null = null;
  #openNext: () => void = () => {};

  opened(): void {
    this.#opened++;
    this.#openNext();
  }

  closed(): void {
    this.#closed++;
  }

  failed(reason: string): void {
    this.#failure ??= reason;
  }

  /** Adds to the connections that are open; the first of each room is its sender. */
  async open(order: OpenOrder): Promise<OpenReport> {
    const first = this.#links.length;
    const last = first + order.users;
    if (last > MAX_LINKS) throw new Error(`at most ${MAX_LINKS} connections per process`);
    this.#serverPid = order.serverPid;
    // Signing is the generator's work: done before the server's time is taken.
    const links = Array.from({ length: order.users }, (_, i) => this.#plan(order, first + i));
    let next = 0;
    this.#openNext = () => {
      const link = links[next++];
      if (link === undefined) return;
      this.#links.push(link);
      link.connect(order.port);
    };
    const start = this.#mark();
    for (let i = 0; i < OPENING_AT_ONCE; i++) this.#openNext();
    await this.#until(() => this.#opened === last, OPEN_DEADLINE_MS, "connections did not open in time");
    this.#openNext = () => {};
    await Bun.sleep(order.settleMs);
    return { done: "open", opened: order.users, ...usageSince(start, this.#mark()) };
  }

  /** Heartbeats go on all the time; what must end is the news of who joined. */
  async quiet(forMs: number): Promise<void> {
    const deadlineMs = performance.now() + QUIET_DEADLINE_MS;
    let seen = -1;
    for (let now = this.#presences(); now !== seen; now = this.#presences()) {
      if (performance.now() > deadlineMs) throw new Error("the server did not fall quiet");
      seen = now;
      await Bun.sleep(forMs);
      this.#check();
    }
  }

  /** Keeps every sender's messages in flight for the window, then waits for the rest and counts that nothing is missing. */
  async broadcast(warmupMs: number, measureMs: number): Promise<BroadcastReport> {
    const senders = this.#links.filter((link) => link.isSender);
    for (const sender of senders) {
      sender.isSending = true;
      sender.pump();
    }
    await Bun.sleep(warmupMs);
    const start = this.#mark();
    await Bun.sleep(measureMs);
    const end = this.#mark();
    for (const sender of senders) sender.isSending = false;
    const sent = new Map(senders.map((sender) => [sender.room, sender.sent]));
    const isWhole = (link: Link): boolean =>
      link.stream.broadcasts === sent.get(link.room) &&
      link.stream.acknowledgements === (link.isSender ? link.sent : 0);
    await this.#until(
      () => this.#links.every(isWhole),
      DRAIN_DEADLINE_MS,
      "deliveries or acknowledgements are missing or too many",
    );
    return {
      done: "broadcast",
      ...usageSince(start, end),
      deliveries: end.deliveries - start.deliveries,
      messages: end.messages - start.messages,
      bytes: end.bytes - start.bytes,
    };
  }

  async close(): Promise<void> {
    this.#check();
    const expected = this.#closed + this.#links.length;
    for (const [index, link] of this.#links.entries()) {
      link.end();
      // Thousands of ends in one turn of the server's loop are a stall that no figure is about.
      if (index % CLOSING_AT_ONCE === 0) await Bun.sleep(1);
    }
    await this.#until(() => this.#closed === expected, DRAIN_DEADLINE_MS, "connections did not close in time");
    this.#links = [];
    this.#opened = 0;
  }

  #plan(order: OpenOrder, index: number): Link {
    const dialect = DIALECTS[order.dialect];
    const room = order.usersPerRoom === 0 ? -1 : Math.floor(index / order.usersPerRoom);
    const name = room === -1 ? null : roomName(room);
    const isSender = name !== null && order.inFlight > 0 && index % order.usersPerRoom === 0;
    return new Link(this, {
      request: dialect.request({ ...order, user: userName(index), room: name }),
      greets: dialect.greets,
      join: name === null ? null : dialect.join(name),
      chat: isSender ? new ChatBatch(name, order.inFlight) : null,
      inFlight: order.inFlight,
      room,
    });
  }

  #mark(): Mark {
    const own = process.cpuUsage();
    let deliveries = 0;
    let messages = 0;
    let bytes = 0;
    for (const link of this.#links) {
      deliveries += link.stream.broadcasts;
      messages += link.stream.acknowledgements;
      bytes += link.stream.bytes;
    }
    return {
      atMs: performance.now(),
      serverCpuMs: cpuMs(this.#serverPid),
      generatorCpuMs: (own.user + own.system) / 1000,
      deliveries,
      messages,
      bytes,
    };
  }

  #presences(): number {
    return this.#links.reduce((sum, link) => sum + link.stream.presences, 0);
  }

  async #until(isDone: () => boolean, withinMs: number, failure: string): Promise<void> {
    const deadlineMs = performance.now() + withinMs;
    while (!isDone()) {
      this.#check();
      if (performance.now() > deadlineMs) throw new Error(failure);
      await Bun.sleep(POLL_MS);
    }
    this.#check();
  }

  #check(): void {
    if (this.#failure !== null) throw new Error(this.#failure);
  }
}

function usageSince(start: Mark, end: Mark): Usage {
  return {
    elapsedMs: end.atMs - start.atMs,
    serverCpuMs: end.serverCpuMs - start.serverCpuMs,
    generatorCpuMs: end.generatorCpuMs - start.generatorCpuMs,
  };
}
