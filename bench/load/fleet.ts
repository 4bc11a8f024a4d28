import { ChatBatch } from "./client-frames.ts";
import { DIALECTS, roomName, userName } from "./dialect.ts";
import { Link, type LinkOwner } from "./link.ts";
import { Missed } from "./missed.ts";
import type { OpenOrder, OpenReport, ReconnectOrder, ReconnectReport, Usage } from "./orders.ts";
import { cpuMs } from "./usage.ts";

/** One process has 20,000 file descriptors as a rule. */
const MAX_LINKS = 19_000;
const OPENING_AT_ONCE = 64;
const CLOSING_AT_ONCE = 64;
const OPEN_DEADLINE_MS = 120_000;
const CLOSE_DEADLINE_MS = 20_000;
const QUIET_DEADLINE_MS = 60_000;
const POLL_MS = 5;

export interface Mark {
  readonly atMs: number;
  readonly serverCpuMs: number;
  readonly brokerCpuMs: number;
  readonly generatorCpuMs: number;
  readonly deliveries: number;
  readonly messages: number;
  readonly bytes: number;
}

/** All connections of one generator process to one server. Every method throws when an invariant of the run is broken. */
export class Fleet implements LinkOwner {
  #links: Link[] = [];
  /** Those whose connections were cut, until they are back. */
  #cut: Link[] = [];
  readonly #serverPids = new Set<number>();
  #brokerPid = 0;
  /** How often a connection became what it was to be: greeted, or a member. */
  #opened = 0;
  #upgradedAtMs = 0;
  #closed = 0;
  #failure: string | null = null;
  #openNext: () => void = () => {};

  get links(): readonly Link[] {
    return this.#links;
  }

  get openings(): number {
    return this.#opened;
  }

  upgraded(): void {
    this.#upgradedAtMs = performance.now();
  }

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
    if (first + order.users > MAX_LINKS) throw new Error(`at most ${MAX_LINKS} connections per process`);
    this.#serverPids.add(order.serverPid);
    this.#brokerPid = order.brokerPid;
    // Signing is the generator's work: done before the server's time is taken.
    const links = Array.from({ length: order.users }, (_, i) => this.#plan(order, first, i));
    const start = this.mark();
    await this.#connect(links, order.port, OPENING_AT_ONCE);
    await Bun.sleep(order.settleMs);
    return { done: "open", opened: order.users, ...usageSince(start, this.mark()) };
  }

  /** Everyone but the senders loses the connection, all in one turn of this loop. */
  async cut(): Promise<void> {
    this.#cut = this.#links.filter((link) => !link.isSender);
    this.#links = this.#links.filter((link) => link.isSender);
    const expected = this.#closed + this.#cut.length;
    for (const link of this.#cut) link.cut();
    await this.until(() => this.#closed === expected, CLOSE_DEADLINE_MS, "connections were not cut in time");
  }

  /** All that were cut come back with the request of before, and ask for what was published to their room meanwhile. */
  async reconnect(order: ReconnectOrder): Promise<ReconnectReport> {
    const missed = new Map<number, Missed>();
    const links = this.#cut.map(({ plan, position, stream }) => {
      if (position === null) throw new Error("a connection was cut before it was in a room");
      const last = { offset: position.offset + stream.broadcasts, epoch: position.epoch };
      const ofRoom = missed.get(plan.room) ?? new Missed(last, order.messages);
      missed.set(plan.room, ofRoom);
      return new Link(this, {
        ...plan,
        join: DIALECTS.tautline.join(roomName(plan.room), ofRoom.from),
        missed: ofRoom,
      });
    });
    this.#cut = [];
    const start = this.mark();
    await this.#connect(links, order.port, order.atOnce);
    const end = this.mark();
    return {
      done: "reconnect",
      opened: links.length,
      upgradedMs: this.#upgradedAtMs - start.atMs,
      bytes: links.reduce((sum, link) => sum + link.stream.bytes, 0),
      ...usageSince(start, end),
    };
  }

  /** Heartbeats go on all the time; what must end is the news of who joined. */
  async quiet(forMs: number): Promise<void> {
    const deadlineMs = performance.now() + QUIET_DEADLINE_MS;
    let seen = -1;
    for (let now = this.presences(); now !== seen; now = this.presences()) {
      if (performance.now() > deadlineMs) throw new Error("the server did not fall quiet");
      seen = now;
      await Bun.sleep(forMs);
      this.check();
    }
  }

  async close(): Promise<void> {
    this.check();
    const expected = this.#closed + this.#links.length;
    for (const [index, link] of this.#links.entries()) {
      link.end();
      // Thousands of ends in one turn of the server's loop are a stall that no figure is about.
      if (index % CLOSING_AT_ONCE === 0) await Bun.sleep(1);
    }
    await this.until(() => this.#closed === expected, CLOSE_DEADLINE_MS, "connections did not close in time");
    this.#links = [];
    this.#opened = 0;
  }

  /** So many at once are not yet where they are to be. */
  async #connect(links: readonly Link[], port: number, atOnce: number): Promise<void> {
    const expected = this.#opened + links.length;
    let next = 0;
    this.#openNext = () => {
      const link = links[next++];
      if (link === undefined) return;
      this.#links.push(link);
      link.connect(port);
    };
    for (let i = 0; i < atOnce; i++) this.#openNext();
    await this.until(() => this.#opened === expected, OPEN_DEADLINE_MS, "connections did not open in time");
    this.#openNext = () => {};
  }

  #plan(order: OpenOrder, first: number, serial: number): Link {
    const dialect = DIALECTS[order.dialect];
    const { share } = order;
    const index = first + serial;
    const place = share === null ? index : serial;
    const room = order.usersPerRoom === 0 ? -1 : Math.floor(place / order.usersPerRoom);
    const member = place % order.usersPerRoom;
    const name = room === -1 ? null : roomName(room);
    const isSender =
      name !== null && order.inFlight > 0 && member === 0 && (share === null || room % share.of === share.at);
    const msgpack = order.isMixed && member % 2 === 1;
    return new Link(this, {
      request: dialect.request({ ...order, user: userName(index), room: name, msgpack }),
      greets: dialect.greets,
      join: name === null ? null : dialect.join(name, null),
      missed: null,
      chat: isSender ? new ChatBatch(name, order.inFlight) : null,
      inFlight: order.inFlight,
      room,
    });
  }

  mark(): Mark {
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
      serverCpuMs: [...this.#serverPids].reduce((sum, pid) => sum + cpuMs(pid), 0),
      brokerCpuMs: this.#brokerPid === 0 ? 0 : cpuMs(this.#brokerPid),
      generatorCpuMs: (own.user + own.system) / 1000,
      deliveries,
      messages,
      bytes,
    };
  }

  /** Presence frames that came, over all connections. */
  presences(): number {
    return this.#links.reduce((sum, link) => sum + link.stream.presences, 0);
  }

  async until(isDone: () => boolean, withinMs: number, failure: string): Promise<void> {
    const deadlineMs = performance.now() + withinMs;
    while (!isDone()) {
      this.check();
      if (performance.now() > deadlineMs) throw new Error(failure);
      await Bun.sleep(POLL_MS);
    }
    this.check();
  }

  check(): void {
    if (this.#failure !== null) throw new Error(this.#failure);
  }
}

export function usageSince(start: Mark, end: Mark): Usage {
  return {
    elapsedMs: end.atMs - start.atMs,
    serverCpuMs: end.serverCpuMs - start.serverCpuMs,
    generatorCpuMs: end.generatorCpuMs - start.generatorCpuMs,
    brokerCpuMs: end.brokerCpuMs - start.brokerCpuMs,
  };
}
