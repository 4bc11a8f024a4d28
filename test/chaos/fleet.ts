import { ChaosClient } from "./client.ts";
import { emptyReport } from "./client-report.ts";
import type { FleetClient } from "./fleet-client.ts";
import type { OpenOrder, Order, Report, UsersByTopic } from "./orders.ts";
import { Random } from "./random.ts";
import { Recorder } from "./recorder.ts";
import { SdkClient } from "./sdk-client.ts";

type StatusOrder = Extract<Order, { do: "status" }>;

/** A turn of everything that a client does by the clock. */
const TURN_MS = 10;
/** Turns between two looks at each client. */
const TICK_TURNS = 10;
const GOODBYE_WITHIN_MS = 2_000;
const MAX_NAMES = 5;
/** Handshakes that a fleet begins with per turn. */
const STARTS_PER_TURN = 5;

/** All clients of one process. */
export class Fleet {
  readonly #recorder: Recorder;
  readonly #clients: readonly FleetClient[];
  readonly #timer: NodeJS.Timeout;
  readonly #report = emptyReport();
  #started = 0;
  #turn = 0;
  #isLoadOn = false;
  #loadStartMs = 0;
  readonly #published = new Map<FleetClient, number>();
  readonly #hopped = new Map<FleetClient, number>();
  readonly #poisoned = new Map<FleetClient, number>();

  constructor(order: OpenOrder) {
    const { ports, size, expiryAllowanceMs } = order;
    const random = new Random(order.seed);
    this.#recorder = new Recorder(order.history);
    const common = { ports, size, expiryAllowanceMs, recorder: this.#recorder, report: this.#report };
    const Kind = order.client === "sdk" ? SdkClient : ChaosClient;
    this.#clients = order.clients.map((plan) => new Kind(plan, { ...common, random: random.fork(plan.name) }));
    this.#timer = setInterval(() => this.#everyTurn(), TURN_MS);
  }

  load(isOn: boolean): void {
    this.#isLoadOn = isOn;
    this.#loadStartMs = performance.now();
    if (isOn) for (const client of this.#clients) client.loadBegins();
    for (const done of [this.#published, this.#hopped, this.#poisoned]) done.clear();
  }

  status({ places, withUsers }: StatusOrder): Extract<Report, { done: "status" }> {
    const going = this.#clients.filter(({ isStopped }) => !isStopped);
    const away = going.filter((client) => !client.isMemberOfAll);
    const behind = going.filter((client) =>
      client.memberships.some((membership) => {
        const place = places[membership.topic];
        return place !== undefined && !membership.hasReached(place);
      }),
    );
    const unconfirmed = going.reduce((sum, { outbox }) => sum + outbox.size, 0);
    return {
      ...{ done: "status", clients: going.length, away: away.length, behind: behind.length, unconfirmed },
      names: [...new Set([...away, ...behind])].slice(0, MAX_NAMES).map(({ plan }) => plan.name),
      users: withUsers ? usersOf(going) : {},
    };
  }

  /** How many of those who watch are wrong about one of their rooms. */
  compare(users: UsersByTopic): number {
    const isWrong = (client: FleetClient): boolean =>
      client.memberships.some(({ topic, users: known }) => !isSame(known, users[topic] ?? []));
    return this.#watching().filter(isWrong).length;
  }

  recordUsers(): void {
    for (const { plan, memberships } of this.#watching()) {
      for (const { topic, users } of memberships)
        this.#recorder.record({ op: "seen", client: plan.name, topic, users: [...(users ?? [])].toSorted() });
    }
  }

  async stop(): Promise<Report> {
    this.load(false);
    for (const client of this.#clients) client.stop();
    const deadlineMs = performance.now() + GOODBYE_WITHIN_MS;
    while (this.#clients.some(({ isConnected }) => isConnected) && performance.now() < deadlineMs)
      await Bun.sleep(TURN_MS);
    clearInterval(this.#timer);
    this.#recorder.close();
    return { done: "stop", report: this.#report };
  }

  #watching(): readonly FleetClient[] {
    return this.#clients.filter(({ plan, isStopped }) => plan.watches && !isStopped);
  }

  #everyTurn(): void {
    this.#turn += 1;
    for (let i = 0; i < STARTS_PER_TURN; i++) this.#clients[this.#started++]?.start();
    if (this.#turn % TICK_TURNS === 0) for (const client of this.#clients) client.tick();
    if (this.#isLoadOn) for (const client of this.#clients) this.#drive(client);
  }

  #drive(client: FleetClient): void {
    const { messagesPerSecond, hops, poisonEveryMs } = client.plan;
    if (messagesPerSecond > 0)
      this.#catchUp(this.#published, client, 1_000 / messagesPerSecond, () => client.publish());
    if (hops !== undefined) this.#catchUp(this.#hopped, client, hops.everyMs, () => client.leave(hops.awayMs === null));
    if (poisonEveryMs !== undefined) this.#catchUp(this.#poisoned, client, poisonEveryMs, () => client.sendPoison());
  }

  /** As often as the time since the load began asks for: a late turn does the work of those that did not come. */
  #catchUp(done: Map<FleetClient, number>, client: FleetClient, everyMs: number, act: () => void): void {
    const due = Math.floor((performance.now() - this.#loadStartMs) / everyMs);
    for (let i = done.get(client) ?? 0; i < due; i++) act();
    done.set(client, due);
  }
}

function usersOf(clients: readonly FleetClient[]): UsersByTopic {
  const users: Record<string, string[]> = {};
  for (const { plan, memberships } of clients) {
    for (const { topic, isMember } of memberships) if (isMember) (users[topic] ??= []).push(plan.name);
  }
  return users;
}

function isSame(known: ReadonlySet<string> | null, users: readonly string[]): boolean {
  return known !== null && known.size === users.length && users.every((user) => known.has(user));
}
