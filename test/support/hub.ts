import { compileAccess, DEFAULT_ACCESS } from "../../src/access.ts";
import type { Broker } from "../../src/broker/broker.ts";
import { isRevoked } from "../../src/auth/revocations.ts";
import { refusing } from "../../src/auth/refusing.ts";
import { MemoryPresence } from "../../src/broker/memory-presence.ts";
import { MemoryPermissions } from "../../src/broker/memory-permissions.ts";
import { MemoryRevocations } from "../../src/broker/memory-revocations.ts";
import { MemoryBroker, type MemoryBrokerOptions } from "../../src/broker/memory.ts";
import type { Frame, SendResult, Socket } from "../../src/engine/engine.ts";
import { Connection } from "../../src/hub/connection.ts";
import { findEndpoint } from "../../src/hub/endpoints.ts";
import { Hub } from "../../src/hub/hub.ts";
import type { HubOptions, HubPorts } from "../../src/hub/ports.ts";
import { readParameters } from "../../src/hub/parameters.ts";
import type { Authorizer } from "../../src/hub/permission.ts";
import type { AuditEvent } from "../../src/observe/audit.ts";
import { createMetrics, type Metrics } from "../../src/observe/metrics.ts";
import { sweepUnsent } from "../../src/hub/unsent.ts";
import type { ChosenCloseCode, CloseCode } from "../../src/protocol/codes.ts";
import type { Principal } from "../../src/protocol/principal.ts";
import type { Codec } from "../../src/protocol/codec.ts";
import { jsonCodec } from "../../src/protocol/json.ts";
import { authenticatorWith } from "../auth/tokens.ts";
import { FakeClock } from "./clock.ts";
import { conforming } from "./conforming.ts";
import { readMessagePack } from "./msgpack-reader.ts";
import { principal } from "./principal.ts";

/** A hub with its real parts on a clock that stands still, and sockets that keep what they are sent. */

type Fields = Record<string, unknown>;

const OPTIONS: HubOptions = {
  nodeId: "node-1",
  maxMessageBytes: 65_536,
  maxTopicsPerConnection: 128,
  maxConnectionsPerUser: 10,
  maxUnsentBytes: 1_000_000,
  maxTotalUnsentBytes: 1_000_000_000,
  messagesPerSecond: 20,
  messageBurst: 40,
  joinsPerSecond: 10,
  joinBurst: 256,
  authDeadlineMs: 10_000,
  maxPendingConnections: 1_000,
  presenceFullMax: 200,
  presenceGraceMs: 5_000,
  clockToleranceS: 5,
  maxTokenLifetimeS: null,
  pingIntervalMs: 30_000,
  pongTimeoutMs: 90_000,
};

/** The same broker, so that a test can replace one of its methods. */
export function passing(broker: Broker): Broker {
  return {
    name: broker.name,
    ready: true,
    evictedTopics: 0,
    droppedMessageIds: 0,
    held: {},
    publish: (publication, keepsHistory) => broker.publish(publication, keepsHistory),
    position: (topic) => broker.position(topic),
    history: (topic, since, limit) => broker.history(topic, since, limit),
    enter: (entrances, use) => broker.enter(entrances, use),
    follow: (topic) => broker.follow(topic),
    unfollow: (topic) => broker.unfollow(topic),
    sweep: () => broker.sweep(),
    stop: () => broker.stop(),
  };
}

export class KeptSocket implements Socket {
  readonly #topics: Map<string, Set<KeptSocket>>;
  #onClose: ((code: number) => void) | null = null;
  readonly #frames: Frame[] = [];
  closed: { readonly code: number; readonly reason: string } | null = null;
  bufferedBytes = 0;
  pings = 0;
  isPaused = false;

  constructor(topics: Map<string, Set<KeptSocket>>) {
    this.#topics = topics;
  }

  opened(onClose: (code: number) => void): void {
    this.#onClose = onClose;
  }

  send(frame: Frame): SendResult {
    if (this.closed !== null) return "dropped";
    this.#frames.push(frame);
    return "sent";
  }

  join(topic: string): void {
    const members = this.#topics.get(topic) ?? new Set();
    this.#topics.set(topic, members.add(this));
  }

  leave(topic: string): void {
    this.#topics.get(topic)?.delete(this);
  }

  publish(topic: string, frame: Frame): void {
    for (const member of this.#topics.get(topic) ?? []) if (member !== this) member.send(frame);
  }

  close(code: CloseCode | ChosenCloseCode, reason: string): void {
    this.end(code, reason);
  }

  terminate(): void {
    this.end(1006);
  }

  ping(): void {
    this.pings += 1;
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  /** The connection ends, whoever ended it. */
  end(code: number, reason = ""): void {
    if (this.closed !== null) return;
    this.closed = { code, reason };
    for (const members of this.#topics.values()) members.delete(this);
    this.#onClose?.(code);
  }

  /** What came and was not taken yet. Parsed here only, since most sockets of a room of thousands are never asked. */
  get frames(): Fields[] {
    return this.#frames.map((frame) => {
      const read: unknown = typeof frame === "string" ? JSON.parse(frame) : readMessagePack(frame);
      return Object.assign({}, read);
    });
  }

  /** How many frames that is. */
  get pending(): number {
    return this.#frames.length;
  }

  /** What came since the last call, each held against its schema. */
  take(): Fields[] {
    const { frames } = this;
    this.#frames.length = 0;
    return frames.map(conforming);
  }
}

export class HubRig {
  readonly clock = new FakeClock();
  readonly revocations = new MemoryRevocations(this.clock);
  readonly audit: AuditEvent[] = [];
  readonly failures: { readonly error: unknown; readonly correlationId: string }[] = [];
  readonly metrics: Metrics;
  readonly hub: Hub;
  readonly #topics = new Map<string, Set<KeptSocket>>();
  #count = 0;
  /** The next turn of the loop comes at once, unless a test takes it into its hands. */
  later = (run: () => void): void => run();

  /** What the rules leave open is denied, unless a test says otherwise. */
  authorize: Authorizer["check"] = () => false;

  /** `around` may stand between the hub and its broker; `ports` replaces others of its parts. */
  constructor(
    options: Partial<HubOptions> = {},
    around: (broker: Broker) => Broker = (broker) => broker,
    history: Partial<MemoryBrokerOptions> = {},
    ports: Partial<HubPorts> = {},
  ) {
    const none = () => 0;
    this.metrics = createMetrics(
      {
        ...{
          connections: none,
          users: none,
          topics: none,
          memberships: none,
          evictedTopics: none,
          droppedMessageIds: none,
        },
        ...{ nodes: none, busRoundTripS: none, commandsInFlight: none, reconnects: none, busRejected: () => ({}) },
        ...{ auditErrors: none, auditLost: none, logErrors: none, logLost: none, state: () => null },
        brokerUp: () => true,
        keysReady: () => true,
      },
      { codes: [], closeCodes: [], frameTypes: [] },
    );
    const bounds = {
      historySize: 100,
      historyBytes: 262_144,
      historyTtlMs: 300_000,
      maxHistoryBytes: 1_000_000,
      ...history,
    };
    const broker = new MemoryBroker(bounds, this.clock, (topic, message) => this.hub.deliver(topic, message));
    this.hub = new Hub(
      { ...OPTIONS, ...options },
      {
        engine: {
          publish: (topic, frame) => {
            for (const member of this.#topics.get(topic) ?? []) member.send(frame);
          },
        },
        broker: around(broker),
        presence: new MemoryPresence(),
        access: compileAccess(DEFAULT_ACCESS),
        authenticator: refusing(authenticatorWith({}, this.clock), (who) => isRevoked(who, this.revocations)),
        revocations: this.revocations,
        permissions: new MemoryPermissions(this.clock),
        audit: {
          record: (event) => this.audit.push(event),
          flush: () => Promise.resolve(true),
          errors: 0,
          lost: 0,
          failure: null,
        },
        metrics: this.metrics,
        clock: this.clock,
        later: (run) => this.later(run),
        authorizer: { check: (...asked) => this.authorize(...asked) },
        report: (error, correlationId) => this.failures.push({ error, correlationId }),
        ...ports,
      },
    );
  }

  /** Native topics that somebody is in. */
  get topicsWithMembers(): string[] {
    return [...this.#topics].filter(([, members]) => members.size > 0).map(([topic]) => topic);
  }

  /** A connection on `/ws` that has been greeted; its greeting is taken. */
  connect(
    userId: string,
    codec: Codec = jsonCodec,
    fields: Partial<Principal> = {},
  ): { socket: KeptSocket; connection: Connection } {
    const arrived = this.arrive("/ws", principal({ id: userId, username: userId, ...fields }), codec);
    arrived.socket.take();
    return arrived;
  }

  /** A connection whose token was good, on any endpoint. */
  arrive(path: string, who: Principal, codec: Codec = jsonCodec): { socket: KeptSocket; connection: Connection } {
    const found = findEndpoint(path);
    if (found === undefined) throw new Error("no endpoint");
    const { topics, echo } = readParameters(found, "");
    this.#count += 1;
    const connection = new Connection({
      id: `c${this.#count}`,
      endpoint: found.endpoint,
      codec,
      client: { address: "192.0.2.1", key: "192.0.2.1", isProxied: false },
      sendsPingFrames: false,
      pingSlot: this.hub.nextPingSlot(),
      principal: who,
      ...{ topics, echo },
      userAgent: null,
    });
    connection.user = this.hub.users.admit(who.id);
    const socket = new KeptSocket(this.#topics);
    socket.opened((code) => this.hub.close(connection, code));
    this.hub.open(socket, connection);
    return { socket, connection };
  }

  member(userId: string, roomSlug: string, codec?: Codec): { socket: KeptSocket; connection: Connection } {
    const joined = this.connect(userId, codec);
    this.receive(joined.connection, { type: "join_room", roomSlug });
    joined.socket.take();
    return joined;
  }

  /** What the frame is answered with; the last frame of several. */
  answer({ connection, socket }: { socket: KeptSocket; connection: Connection }, frame: Fields): Fields {
    socket.take();
    this.receive(connection, frame);
    return socket.take().at(-1) ?? {};
  }

  receive(connection: Connection, frame: Fields): void {
    this.hub.message(connection, JSON.stringify(frame));
  }

  /** Lets everything run that waits for nothing but its turn. */
  async settle(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** Seconds of the node's life, one tick each. */
  tick(seconds = 1): void {
    for (let second = 0; second < seconds; second += 1) {
      this.clock.advance(1_000);
      sweepUnsent(this.hub);
      this.hub.tick();
    }
  }
}
