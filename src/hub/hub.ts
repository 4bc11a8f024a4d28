import type { Access } from "../access.ts";
import type { Authenticator } from "../auth/authenticate.ts";
import type { Broker, Identity, PermissionStore, Position, Positioned, RevocationStore } from "../broker/broker.ts";
import type { Socket } from "../engine/engine.ts";
import type { Clock } from "../observe/clock.ts";
import { IsoTime } from "../observe/iso-time.ts";
import type { Metrics } from "../observe/metrics.ts";
import { ERRORS } from "../protocol/codes.ts";
import type { MessageBody } from "../protocol/codec.ts";
import { nameOf, placeOf } from "../protocol/topic.ts";
import type { Application } from "./application.ts";
import { AuditTrail } from "./audit-trail.ts";
import { awake, OVERDUE_TICKS, wakingClock } from "./awake.ts";
import { sweepPermissions } from "./changed-permissions.ts";
import type { Connection } from "./connection.ts";
import { EncodedAnswers } from "./encoded-answers.ts";
import { enter } from "./entry.ts";
import { GreetingTerms } from "./greeting-terms.ts";
import { slotsOf, tickMs } from "./heartbeat.ts";
import { Overrides } from "./overrides.ts";
import { PendingPlaces } from "./pending.ts";
import type { Authorizer } from "./permission.ts";
import type { HubOptions, HubPorts } from "./ports.ts";
import { departureOf, Presence } from "./presence.ts";
import { receive, wait } from "./receive.ts";
import { TurnedAway } from "./reconnects.ts";
import { type Room, Rooms } from "./rooms.ts";
import { refuse, USER_TOPIC } from "./session.ts";
import { forgiveSilence, sweepConnections } from "./sweep.ts";
import { lookAtUnsent } from "./unsent.ts";
import { Users } from "./users.ts";

/** One publish in so many is timed. */
const TIMED_PUBLISHES = 16;

/** A tick that comes later than so many came after a pause of the process. */
const LATE_TICKS = 3;

/** All connections of this node, from their upgrade to their end, and the sweep that looks after them. */
export class Hub {
  readonly options: HubOptions;
  readonly broker: Broker;
  readonly access: Access;
  readonly authenticator: Authenticator;
  readonly revocations: RevocationStore;
  readonly permissions: PermissionStore;
  readonly overrides: Overrides;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly report: (error: unknown, correlationId: string) => void;
  readonly later: HubPorts["later"];
  readonly authorizer: Authorizer | null;
  readonly application: Application | null;
  readonly connections = new Set<Connection>();
  /** Accepted, and neither open nor abandoned yet: an engine may open them in a later turn. */
  readonly accepted = new Set<Connection>();
  readonly rooms: Rooms;
  readonly isoTime = new IsoTime();
  readonly answers = new EncodedAnswers();
  readonly users: Users;
  readonly presence: Presence;
  readonly terms: GreetingTerms;
  /** The monotonic time of the last tick: fine enough for the heartbeat, and free to read. */
  tickedAtMs: number;
  isDraining = false;
  readonly pending: PendingPlaces;
  readonly trail: AuditTrail;
  readonly turnedAway: TurnedAway;
  /** How old the last tick may be when an event is handled. */
  readonly overdueMs: number;
  #slot = 0;
  #published = 0;
  #nextPingSlot = 0;

  constructor(options: HubOptions, ports: HubPorts) {
    this.options = options;
    this.broker = ports.broker;
    this.access = ports.access;
    this.authenticator = ports.authenticator;
    this.revocations = ports.revocations;
    this.permissions = ports.permissions;
    this.overrides = new Overrides(ports.permissions);
    this.metrics = ports.metrics;
    this.clock = ports.clock;
    this.report = ports.report;
    this.later = ports.later;
    this.authorizer = ports.authorizer;
    this.application = ports.application ?? null;
    this.trail = new AuditTrail(ports.audit, ports.metrics);
    this.pending = new PendingPlaces(options);
    this.rooms = new Rooms({
      ...{ engine: ports.engine, counters: ports.metrics.counters, connections: this.connections, later: ports.later },
      ...{ access: ports.access, broker: ports.broker },
    });
    this.users = new Users({
      maxConnectionsPerUser: options.maxConnectionsPerUser,
      messages: { perSecond: options.messagesPerSecond, burst: options.messageBurst },
      joins: { perSecond: options.joinsPerSecond, burst: options.joinBurst },
    });
    this.presence = new Presence(this.rooms, ports.presence, wakingClock(this), options);
    this.terms = new GreetingTerms(options);
    this.turnedAway = new TurnedAway(ports.clock);
    this.overdueMs = OVERDUE_TICKS * tickMs(options);
    this.tickedAtMs = ports.clock.monotonic();
  }

  nextPingSlot(): number {
    this.#nextPingSlot = (this.#nextPingSlot + 1) % slotsOf(this.options);
    return this.#nextPingSlot;
  }

  open(socket: Socket, connection: Connection): void {
    connection.attach(socket);
    connection.openedAtMs = awake(this);
    connection.pendingSinceMs = connection.openedAtMs;
    connection.lastSeenMs = connection.openedAtMs;
    this.accepted.delete(connection);
    this.connections.add(connection);
    if (connection.doom !== null) {
      this.release(connection);
      const { error, userId } = connection.doom;
      refuse(this, connection, error, undefined, userId);
      return;
    }
    if (connection.principal === null) return;
    const entering = enter(this, connection, connection.principal);
    if (entering !== undefined) wait(this, connection, null, entering);
  }

  /** A connection that was pending has said who it is. */
  authenticated(connection: Connection): void {
    this.pending.leave(connection);
    connection.state = "open";
    this.metrics.authentications.add("OK");
    this.trail.accepted(connection);
  }

  /** An accepted handshake that never became a connection. */
  abandoned(connection: Connection): void {
    this.accepted.delete(connection);
    this.release(connection);
  }

  message(connection: Connection, data: string | Uint8Array): void {
    receive(this, connection, data);
  }

  drain(connection: Connection): void {
    // Nothing is read from a paused client, its pongs neither; but it reads, so it is there.
    if (connection.isPaused) connection.lastSeenMs = this.tickedAtMs;
    if (connection.onDrain === null) return;
    awake(this);
    connection.onDrain?.();
  }

  pong(connection: Connection): void {
    connection.lastSeenMs = this.tickedAtMs;
  }

  close(connection: Connection, code: number): void {
    try {
      if (connection.endedBy === null) awake(this);
    } finally {
      this.#forget(connection, code);
    }
  }

  #forget(connection: Connection, code: number): void {
    connection.state = "gone";
    // Whatever the frames wait for may never come.
    if (connection.waiting !== null) connection.waiting.length = 0;
    connection.onDrain?.();
    if (!this.connections.delete(connection)) return;
    this.release(connection);
    // The engine's own limit ends a connection as a lost one: what was last seen tells them apart.
    if (connection.endedBy === null && code === 1006 && connection.isFallingBehind) {
      connection.endedBy = 4013;
      this.trail.slowConsumer(connection);
    }
    const endedBy = connection.endedBy ?? code;
    this.metrics.closes.add(endedBy);
    const left = [...connection.rooms];
    this.rooms.leaveAll(connection);
    const { principal } = connection;
    if (principal === null || !connection.wasAccepted) return;
    for (const room of left) this.presence.leave(room, principal.id, departureOf(endedBy));
    const durationMs = this.clock.monotonic() - connection.openedAtMs;
    this.metrics.connectionDuration.observe(durationMs / 1_000);
    this.trail.record("connection.closed", connection, "ok", endedBy, { durationMs: Math.round(durationMs) });
    this.application?.disconnected(connection, endedBy);
  }

  /** Once a second, or more often where pings are: what is due on the connections, and whatever has become old. */
  tick(): void {
    const nowMs = this.clock.monotonic();
    const elapsedMs = nowMs - this.tickedAtMs;
    this.tickedAtMs = nowMs;
    // After a pause of the whole process what the peers sent meanwhile is still unread: their silence was ours. But one tick of it counts: on
    // a node that is always late nobody's time would ever be over.
    const dueMs = tickMs(this.options);
    if (elapsedMs > LATE_TICKS * dueMs) forgiveSilence(this, elapsedMs - dueMs);
    this.#slot = (this.#slot + 1) % slotsOf(this.options);
    sweepConnections(this, this.#slot);
    this.presence.sweep();
    this.users.sweep(this.tickedAtMs);
    this.broker.sweep();
    this.answers.sweep();
    this.authenticator.sweep();
    this.revocations.sweep();
    sweepPermissions(this);
  }

  /** `keepsHistory` is for whoever knows the room already. */
  publish(
    topic: string,
    body: MessageBody,
    identity: Identity | null,
    keepsHistory: boolean = this.rooms.get(topic)?.keepsHistory ?? this.access.hasHistory(topic),
  ): Position | Promise<Position> {
    const publication = { topic, body, identity };
    this.#published += 1;
    const startedMs = awake(this);
    if (this.#published % TIMED_PUBLISHES !== 0) return this.broker.publish(publication, keepsHistory);
    const position = this.broker.publish(publication, keepsHistory);
    if (position instanceof Promise) return position.finally(() => this.#timePublish(startedMs));
    this.#timePublish(startedMs);
    return position;
  }

  #timePublish(startedMs: number): void {
    this.metrics.brokerPublish.observe((this.clock.monotonic() - startedMs) / 1_000);
  }

  /** The room of a topic that the connection is in. */
  joinedRoom(connection: Connection, topic: string): Room | undefined {
    const room = this.rooms.get(topic);
    return room !== undefined && connection.rooms.includes(room) ? room : undefined;
  }

  /** From now on the connection receives what is sent to its user. False: it did before. To be called within `Broker.enter`. */
  attachToUser(connection: Connection): boolean {
    const { user } = connection;
    if (user === null || user.connections.includes(connection)) return false;
    if (user.connections.length === 0) this.broker.follow(USER_TOPIC + user.id);
    user.connections.push(connection);
    return true;
  }

  /** A message with its position, to everyone on this node who is in its topic. */
  deliver(topic: string, message: Positioned): void {
    if (topic.startsWith(USER_TOPIC))
      this.rooms.sentSinceLook += this.users.deliver(nameOf(topic), message, this.metrics.counters);
    this.rooms.deliver(topic, message);
    lookAtUnsent(this);
  }

  /** Everyone on this node who is in the topic is told that what comes next follows a hole. */
  lose(topic: string, { offset, epoch }: Position): void {
    const gap = { type: "gap", ...placeOf(topic), offset, epoch, timestamp: this.clock.now() } as const;
    if (topic.startsWith(USER_TOPIC))
      for (const connection of this.users.connectionsOf(nameOf(topic))) connection.send(gap);
    const room = this.rooms.get(topic);
    if (room !== undefined) this.rooms.announceNow(room, gap);
  }

  /** Gives back whatever the connection holds of the limits. Safe to call twice. */
  release(connection: Connection): void {
    this.pending.leave(connection);
    const { user } = connection;
    if (user === null) return;
    connection.user = null;
    const index = user.connections.indexOf(connection);
    if (index !== -1) {
      user.connections.splice(index, 1);
      if (user.connections.length === 0) this.broker.unfollow(USER_TOPIC + user.id);
    }
    this.users.release(user);
  }

  /** Ends a connection that has not said who it is, for something else than its token. */
  endUnauthenticated(connection: Connection, code: "AUTH_REQUIRED" | "MESSAGE_TOO_LARGE" | "RATE_LIMITED"): void {
    if (connection.state === "gone") return;
    this.trail.refused(code, {
      client: connection.client,
      userAgent: connection.userAgent,
      connectionId: connection.id,
    });
    connection.close(code === "AUTH_REQUIRED" ? 4001 : ERRORS[code].close);
  }

  endSlowConsumer(connection: Connection): void {
    this.trail.slowConsumer(connection);
    connection.close(4013);
  }
}
