import type { Access } from "../access.ts";
import type { Authenticator } from "../auth/authenticate.ts";
import type { Broker, Position, Positioned } from "../broker/broker.ts";
import type { Engine, Socket } from "../engine/engine.ts";
import type { Audit, AuditEventName, AuditResult } from "../observe/audit.ts";
import type { Clock } from "../observe/clock.ts";
import type { Metrics } from "../observe/metrics.ts";
import type { CloseCode, ErrorCode } from "../protocol/codes.ts";
import { ERRORS } from "../protocol/codes.ts";
import type { MessageBody } from "../protocol/codec.ts";
import type { Welcome } from "../protocol/frames.ts";
import { nameOf } from "../protocol/topic.ts";
import type { ClientAddress } from "./address.ts";
import type { Connection } from "./connection.ts";
import type { HeartbeatOptions } from "./heartbeat.ts";
import { checkExpiry, checkPulse, slotsOf } from "./heartbeat.ts";
import { PendingPlaces } from "./pending.ts";
import { Presence } from "./presence.ts";
import { receive, wait } from "./receive.ts";
import { Rooms } from "./rooms.ts";
import { automaticTopicsOf, greet, refuse, USER_TOPIC } from "./session.ts";
import { Users } from "./users.ts";

export interface HubOptions extends HeartbeatOptions {
  readonly nodeId: string;
  readonly maxMessageBytes: number;
  readonly maxTopicsPerConnection: number;
  readonly maxConnectionsPerUser: number;
  readonly maxUnsentBytes: number;
  readonly messagesPerSecond: number;
  readonly messageBurst: number;
  readonly joinsPerSecond: number;
  readonly joinBurst: number;
  readonly authDeadlineMs: number;
  readonly maxPendingConnections: number;
  readonly presenceGraceMs: number;
  readonly clockToleranceS: number;
}

export interface HubPorts {
  readonly engine: Pick<Engine, "publish">;
  readonly broker: Broker;
  readonly access: Access;
  readonly authenticator: Authenticator;
  readonly audit: Audit;
  readonly metrics: Metrics;
  readonly clock: Clock;
  /** Writes a fault of ours to the log. */
  readonly report: (error: unknown, correlationId: string) => void;
}

type About = Readonly<Record<string, string | number>>;

/** After these ends a user is gone at once; after every other one it may be about to come back. */
const LEAVES_AT_ONCE: ReadonlySet<number> = new Set([1000, 1005, 4001, 4003]);

/** All connections of this node, from their upgrade to their end, and the sweep that looks after them. */
export class Hub {
  readonly options: HubOptions;
  readonly broker: Broker;
  readonly access: Access;
  readonly authenticator: Authenticator;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly report: (error: unknown, correlationId: string) => void;
  readonly connections = new Set<Connection>();
  readonly rooms: Rooms;
  readonly users: Users;
  readonly presence: Presence;
  /** What every greeting says about this node. */
  readonly terms: Pick<Welcome, "heartbeat" | "limits" | "nodeId">;
  /** The monotonic time of the last tick: fine enough for the heartbeat, and free to read. */
  tickedAtMs: number;
  isDraining = false;
  readonly pending: PendingPlaces;
  readonly #audit: Audit;
  #slot = 0;
  #nextPingSlot = 0;

  constructor(options: HubOptions, ports: HubPorts) {
    this.options = options;
    this.broker = ports.broker;
    this.access = ports.access;
    this.authenticator = ports.authenticator;
    this.metrics = ports.metrics;
    this.clock = ports.clock;
    this.report = ports.report;
    this.#audit = ports.audit;
    this.pending = new PendingPlaces(options);
    this.rooms = new Rooms(ports.engine, ports.metrics.counters);
    this.users = new Users({
      maxConnectionsPerUser: options.maxConnectionsPerUser,
      messages: { perSecond: options.messagesPerSecond, burst: options.messageBurst },
      joins: { perSecond: options.joinsPerSecond, burst: options.joinBurst },
    });
    this.presence = new Presence(this.rooms, ports.clock, options.presenceGraceMs);
    this.terms = {
      heartbeat: { intervalMs: options.pingIntervalMs, timeoutMs: options.pongTimeoutMs },
      limits: {
        maxMessageBytes: options.maxMessageBytes,
        maxTopics: options.maxTopicsPerConnection,
        messagesPerSecond: options.messagesPerSecond,
      },
      nodeId: options.nodeId,
    };
    this.tickedAtMs = ports.clock.monotonic();
  }

  nextPingSlot(): number {
    this.#nextPingSlot = (this.#nextPingSlot + 1) % slotsOf(this.options);
    return this.#nextPingSlot;
  }

  open(socket: Socket, connection: Connection): void {
    connection.attach(socket);
    connection.openedAtMs = this.clock.monotonic();
    connection.lastSeenMs = connection.openedAtMs;
    this.connections.add(connection);
    if (connection.doom !== null) {
      this.release(connection);
      refuse(this, connection, connection.doom);
      return;
    }
    const { principal } = connection;
    if (principal === null) return;
    connection.state = "open";
    this.#auditAccepted(connection);
    const greeting = greet(this, connection, principal, connection.endpoint.greeting);
    if (greeting !== undefined) wait(this, connection, null, greeting);
  }

  /** A connection that was pending has said who it is. */
  authenticated(connection: Connection): void {
    this.pending.leave(connection);
    connection.state = "open";
    this.metrics.authentications.add("OK");
    this.#auditAccepted(connection);
  }

  /** An accepted handshake that never became a connection. */
  abandoned(connection: Connection): void {
    this.release(connection);
  }

  message(connection: Connection, data: string | Uint8Array): void {
    receive(this, connection, data);
  }

  pong(connection: Connection): void {
    connection.lastSeenMs = this.tickedAtMs;
  }

  close(connection: Connection, code: number): void {
    connection.state = "gone";
    if (!this.connections.delete(connection)) return;
    this.release(connection);
    // The engine's own limit ends a connection as a lost one: what the last sweep saw tells them apart.
    if (connection.endedBy === null && code === 1006 && connection.overUnsent > 0) this.#countSlowConsumer(connection);
    const endedBy = connection.endedBy ?? code;
    const left = [...connection.rooms];
    this.rooms.leaveAll(connection);
    const { principal } = connection;
    if (principal === null) return;
    for (const room of left) this.presence.leave(room, principal.id, this.#departure(endedBy));
    const durationMs = this.clock.monotonic() - connection.openedAtMs;
    this.metrics.closes.add(endedBy);
    this.metrics.connectionDuration.observe(durationMs / 1_000);
    this.audit("connection.closed", connection, "ok", endedBy, { durationMs: Math.round(durationMs) });
  }

  /** Once a second: dead peers, ended tokens, slow consumers, and whatever has become old. */
  tick(): void {
    const nowMs = this.clock.monotonic();
    const wallMs = this.clock.now();
    this.tickedAtMs = nowMs;
    this.#slot = (this.#slot + 1) % slotsOf(this.options);
    for (const connection of this.connections) {
      if (connection.state === "pending") this.#checkDeadline(connection, nowMs);
      else this.#check(connection, nowMs, wallMs);
    }
    this.presence.sweep();
    this.users.sweep(nowMs);
    this.broker.sweep();
    this.authenticator.sweep();
  }

  /** Ends a connection from this side. */
  end(connection: Connection, code: CloseCode): void {
    connection.close(code);
  }

  publish(topic: string, body: MessageBody): Position | Promise<Position> {
    const startedMs = this.clock.monotonic();
    const position = this.broker.publish({ topic, body }, this.access.hasHistory(topic));
    if (position instanceof Promise) {
      return position.finally(() => this.#published(startedMs));
    }
    this.#published(startedMs);
    return position;
  }

  #published(startedMs: number): void {
    this.metrics.brokerPublish.observe((this.clock.monotonic() - startedMs) / 1_000);
  }

  isMember(connection: Connection, topic: string): boolean {
    const room = this.rooms.get(topic);
    return room !== undefined && connection.rooms.includes(room);
  }

  /** How many of the connection's rooms it did not ask for: all automatic topics but the user's own, which is no room. */
  automaticRooms(connection: Connection): number {
    return connection.principal === null ? 0 : automaticTopicsOf(connection.principal).length - 1;
  }

  /** From now on the connection receives what is sent to its user. */
  attachToUser(connection: Connection): void {
    const { user } = connection;
    if (user !== null && !user.connections.includes(connection)) user.connections.push(connection);
  }

  /** A message with its position, to everyone on this node who is in its topic. */
  deliver(topic: string, message: Positioned): void {
    if (topic.startsWith(USER_TOPIC)) this.users.deliver(nameOf(topic), message, this.metrics.counters);
    else this.rooms.deliver(topic, message);
  }

  /** Leaves a topic on the client's request; nothing happens when it is not in it. */
  leaveTopic(connection: Connection, topic: string): void {
    const room = this.rooms.get(topic);
    if (room === undefined || !connection.rooms.includes(room) || connection.principal === null) return;
    this.rooms.leave(connection, room);
    this.presence.leave(room, connection.principal.id, "announce");
    this.audit("topic.left", connection, "ok", "OK", { topic });
  }

  /** Takes a connection out of a topic that it may no longer read, and tells it so. */
  removeFromTopic(connection: Connection, topic: string, code: "FORBIDDEN"): void {
    const room = this.rooms.get(topic);
    if (room === undefined) return;
    const { place } = room;
    this.leaveTopic(connection, topic);
    connection.send({ type: "unsubscribed", ...place, code, reason: code, timestamp: this.clock.now() });
  }

  audit(
    event: AuditEventName,
    connection: Connection,
    result: AuditResult,
    code: string | number,
    about?: About,
  ): void {
    this.#audit.record({
      event,
      connectionId: connection.id,
      userId: connection.principal?.id ?? null,
      address: connection.client.address,
      userAgent: connection.userAgent,
      result,
      code,
      ...(about !== undefined && { about }),
    });
  }

  /** A handshake that did not become a connection. */
  auditRefusal(code: ErrorCode, client: ClientAddress, userAgent: string | null): void {
    const event = ERRORS[code].status === 401 ? "auth.failed" : "connection.refused";
    const { address } = client;
    this.#audit.record({ event, connectionId: null, userId: null, address, userAgent, result: "refused", code });
  }

  /** Gives back whatever the connection holds of the limits. Safe to call twice. */
  release(connection: Connection): void {
    this.pending.leave(connection);
    const { user } = connection;
    if (user === null) return;
    connection.user = null;
    const index = user.connections.indexOf(connection);
    if (index !== -1) user.connections.splice(index, 1);
    this.users.release(user);
  }

  #auditAccepted(connection: Connection): void {
    this.audit("connection.accepted", connection, "ok", "OK");
    connection.userAgent = null;
  }

  #departure(endedBy: number): "announce" | "hold" | "silent" {
    if (this.isDraining) return "silent";
    return LEAVES_AT_ONCE.has(endedBy) ? "announce" : "hold";
  }

  #checkDeadline(connection: Connection, nowMs: number): void {
    if (nowMs - connection.openedAtMs < this.options.authDeadlineMs) return;
    this.metrics.authentications.add("AUTH_REQUIRED");
    this.audit("auth.failed", connection, "refused", "AUTH_REQUIRED");
    connection.close(4001);
  }

  #check(connection: Connection, nowMs: number, wallMs: number): void {
    this.#checkUnsent(connection);
    if (connection.state === "gone") return;
    const isPingTurn = connection.pingSlot === this.#slot;
    const pulse = checkPulse(connection.lastSeenMs, nowMs, isPingTurn, this.options);
    if (pulse === "lost") {
      this.metrics.counters.heartbeatsLost += 1;
      connection.close(4090);
      return;
    }
    if (pulse === "ping") this.#ping(connection, wallMs);
    if (connection.user !== null) this.users.rest(connection.user, nowMs);
    const expiresAtMs = connection.principal?.expiresAtMs ?? null;
    const toleranceMs = this.options.clockToleranceS * 1_000;
    const expiry = checkExpiry(expiresAtMs, connection.wasExpiryAnnounced, wallMs, toleranceMs);
    if (expiry === "expired") connection.close(4001, "TOKEN_EXPIRED");
    if (expiry === "announce" && expiresAtMs !== null) {
      connection.wasExpiryAnnounced = true;
      connection.send({ type: "auth_expiring", expiresAt: expiresAtMs, timestamp: wallMs });
    }
  }

  #ping(connection: Connection, wallMs: number): void {
    if (connection.sendsPingFrames) connection.send({ type: "ping", timestamp: wallMs });
    else connection.socket.ping();
  }

  /** Over the bound twice running: ended here, since the engine's own kill could not be told from a client that left. */
  #checkUnsent(connection: Connection): void {
    if (connection.socket.bufferedBytes <= this.options.maxUnsentBytes) {
      connection.overUnsent = 0;
      return;
    }
    connection.overUnsent += 1;
    if (connection.overUnsent < 2) return;
    this.#countSlowConsumer(connection);
    connection.close(4013);
  }

  #countSlowConsumer(connection: Connection): void {
    this.metrics.counters.slowConsumers += 1;
    this.audit("slow.consumer", connection, "refused", "SLOW_CONSUMER");
  }
}
