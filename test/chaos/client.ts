import { Bearer } from "./bearer.ts";
import { afterClose, afterRefusal, backoffMs, type Next } from "./backoff.ts";
import type { ClientPlan, MessageSize } from "./client-plan.ts";
import { type ClientReport, countOne } from "./client-report.ts";
import { decoded, encoded, type Fields, fieldsOf, listOf, numberOf, textOf } from "./framing.ts";
import { Link, type LinkOwner } from "./link.ts";
import { Membership } from "./membership.ts";
import { EVENT, frameOf, Outbox, type Outgoing } from "./outbox.ts";
import { PresenceView } from "./presence-view.ts";
import type { Random } from "./random.ts";
import { placeOf, receivedMessage, recordedAs } from "./received.ts";
import type { Recorder } from "./recorder.ts";

export interface ClientPorts {
  /** Of the nodes, or of the proxies before them: one of them at random for each connection. */
  readonly ports: readonly number[];
  readonly recorder: Recorder;
  readonly report: ClientReport;
  readonly random: Random;
  readonly size: MessageSize;
  /** Late sign that the token ends is no reason to receive on: how long a node may take to notice, in milliseconds. */
  readonly expiryAllowanceMs: number;
}

const HANDSHAKE_WITHIN_MS = 5_000;
const REFUSED_WAIT_MS = 500;
/** The close code, where a handshake would say 401. */
const TOKEN_ENDED = 4001;
/** A join that was answered so may be asked for again. */
const ASKED_AGAIN: ReadonlySet<string> = new Set(["RATE_LIMITED", "UNAVAILABLE"]);

/**
 * A client that does all that docs/protocol.md asks of one: it comes back by itself, with its positions, waits as long as it is told to,
 * renews its token, sends again what was not confirmed, and knows what it has had already. Everything that it is told goes into the history.
 */
export class ChaosClient implements LinkOwner {
  readonly plan: ClientPlan;
  readonly memberships: readonly Membership[];
  readonly outbox: Outbox;
  readonly #ports: ClientPorts;
  readonly #bearer: Bearer;
  readonly #presence: PresenceView;
  #link: Link | null = null;
  #linkMs = 0;
  #port = 0;
  #attempt = 0;
  #retry: NodeJS.Timeout | undefined;
  #silenceLimitMs = Infinity;
  #announcedMs = 0;
  #isGreeted = false;
  isStopped = false;

  constructor(plan: ClientPlan, ports: ClientPorts) {
    this.plan = plan;
    this.#ports = ports;
    this.#bearer = new Bearer(plan);
    this.#presence = new PresenceView(plan, ports.recorder);
    this.memberships = plan.rooms.map((slug) => new Membership(slug));
    this.outbox = new Outbox(plan.name, plan.rooms, ports.size, ports.random.fork("outbox"));
  }

  get isMemberOfAll(): boolean {
    return this.memberships.every(({ isMember }) => isMember);
  }

  get isConnected(): boolean {
    return this.#link !== null;
  }

  start(): void {
    this.#connect(false);
  }

  /** Says goodbye for good. */
  stop(): void {
    if (!this.isStopped) this.#ports.recorder.record({ op: "stop", client: this.plan.name });
    this.isStopped = true;
    clearTimeout(this.#retry);
    this.#link?.close();
  }

  /** From the end of its last token nothing may come any more. */
  loadBegins(): void {
    const endsAtS = this.#bearer.takeLast();
    if (endsAtS === null) return;
    this.#send({ type: "refresh", token: this.#bearer.token() });
    const { recorder, expiryAllowanceMs: allowanceMs } = this.#ports;
    for (const { topic } of this.memberships)
      recorder.record({ op: "barred", client: this.plan.name, topic, allowanceMs }, endsAtS * 1_000);
  }

  publish(): void {
    const outgoing = this.#isGreeted && this.isMemberOfAll ? this.outbox.make() : null;
    if (outgoing !== null) this.#attemptOf(outgoing);
  }

  /** Several times a second: hangs up on a node that is silent, and sends what is due. */
  tick(): void {
    const link = this.#link;
    if (link === null || this.isStopped) return;
    const nowMs = performance.now();
    const isLate = !link.isOpen && nowMs - this.#linkMs > HANDSHAKE_WITHIN_MS;
    if (isLate || nowMs - link.lastHeardMs > this.#silenceLimitMs) return link.destroy();
    if (!this.#isGreeted) return;
    for (const outgoing of this.outbox.due(nowMs)) {
      if (this.#membershipOf(outgoing.roomSlug)?.isMember === true) this.#attemptOf(outgoing);
    }
  }

  /** Leaves all rooms; `isAtOnce`: and joins them again in the same write. */
  leave(isAtOnce: boolean): void {
    if (!this.#isGreeted || !this.isMemberOfAll) return;
    const frames: Fields[] = this.memberships.map(({ slug }) => ({ type: "leave_room", roomSlug: slug }));
    if (isAtOnce) frames.push(...this.memberships.map((membership) => this.#joinOf(membership)));
    for (const membership of this.memberships) {
      membership.leaveAskedMs = Date.now();
      membership.isMember = false;
    }
    this.#send(...frames);
  }

  sendPoison(): void {
    if (!this.#isGreeted) return;
    this.#ports.report.poisonSent += 1;
    this.#send({ type: "chaos.poison", id: "poison" });
  }

  opened(): void {
    const toMs = Date.now();
    this.#ports.report.upgrades.push({ fromMs: this.#link?.startedAtMs ?? toMs, toMs, port: this.#port });
  }

  refused(status: number, retryAfterMs: number): void {
    this.#link = null;
    countOne(this.#ports.report.refusals, status);
    this.#goOn(afterRefusal(status, retryAfterMs), status);
  }

  ended(code: number, reason: string): void {
    const { report, recorder } = this.#ports;
    this.#link = null;
    this.#isGreeted = false;
    this.#silenceLimitMs = Infinity;
    for (const membership of this.memberships) membership.connectionLost();
    this.outbox.connectionLost();
    if (this.isStopped) return;
    recorder.record({ op: "end", client: this.plan.name, code });
    report.closes.push({ atMs: Date.now(), client: this.plan.name, code });
    if (this.plan.goesWithConnection === true) return this.#goForGood(code);
    const next = afterClose(code, reason, this.#announcedMs);
    this.#announcedMs = 0;
    if (next.then === "stop") this.#goForGood(code);
    else this.#goOn(next, code);
  }

  message(data: string | Buffer): void {
    const frame = decoded(data);
    switch (textOf(frame, "type")) {
      case "new_message":
      case EVENT:
        return this.#received(frame, "live");
      case "message_sent":
      case "published":
        return this.#confirmed(frame);
      case "recovered":
        for (const message of listOf(frame, "messages")) this.#received(message, "recovery");
        return;
      case "gap":
        return this.#lost(frame);
      case "error":
        return this.#failed(frame);
      case "connected":
        return this.#greeted(frame);
      case "room_joined":
        return this.#joined(frame);
      case "room_left":
        return this.#left(frame);
      case "user_joined":
        return this.#presence.someoneCame(this.#placed(frame), frame, "joined");
      case "user_left":
        return this.#presence.someoneCame(this.#placed(frame), frame, "left");
      case "presence_diff":
        return this.#presence.somePeopleCame(this.#placed(frame), frame);
      case "presence_state":
        return this.#readUsers(frame);
      case "auth_expiring":
        if (this.#bearer.mayRenew) this.#send({ type: "refresh", token: this.#bearer.token() });
        return;
      case "server_draining":
        this.#announcedMs = numberOf(frame, "retryAfterMs");
        return;
      default:
      // What a client does not know it ignores.
    }
  }

  #readUsers(frame: Fields): void {
    const next = this.#presence.read(this.#placed(frame), frame);
    if (next !== null) this.#send({ type: "presence", roomSlug: textOf(frame, "roomSlug"), after: next });
  }

  #greeted(frame: Fields): void {
    this.#silenceLimitMs = numberOf(fieldsOf(frame["heartbeat"]), "timeoutMs");
    this.#isGreeted = true;
    this.#attempt = 0;
    this.#send(...this.memberships.map((membership) => this.#joinOf(membership)));
  }

  #left(frame: Fields): void {
    const membership = this.#placed(frame);
    if (membership === undefined) return;
    const { topic, leaveAskedMs: askedAtMs } = membership;
    this.#ports.recorder.record({ op: "leave", client: this.plan.name, topic, askedAtMs });
    membership.users = null;
    const awayMs = this.plan.hops?.awayMs ?? null;
    // Null: the join went with the leave.
    if (awayMs === null) return;
    membership.isOutside = true;
    if (awayMs === 0) this.#joinAgain(membership.slug);
    else setTimeout(() => this.#joinAgain(membership.slug), awayMs);
  }

  #connect(needsToken: boolean): void {
    const { ports, random } = this.#ports;
    if (this.isStopped) return;
    if (needsToken && !this.#bearer.mayRenew) return this.#stopAlone(TOKEN_ENDED);
    const headers = [
      ["Authorization", `Bearer ${this.#bearer.token()}`],
      ["Sec-WebSocket-Protocol", this.plan.framing],
    ] as const;
    this.#linkMs = performance.now();
    this.#port = random.pick(ports);
    this.#link = new Link({ port: this.#port, path: "/ws", headers }, this);
  }

  #goOn({ then, waitMs }: Next, code: number): void {
    if (this.isStopped) return;
    if (then === "stop") return this.#stopAlone(code);
    const delayMs = waitMs + backoffMs(this.#attempt++, this.#ports.random.next());
    this.#retry = setTimeout(() => this.#connect(then === "new-token"), delayMs);
  }

  /** The end says that this was all, also of what was on its way: whoever is barred is owed no holes, and gets nothing any more. */
  #goForGood(code: number): void {
    for (const { topic } of this.memberships)
      this.#ports.recorder.record({ op: "barred", client: this.plan.name, topic, allowanceMs: 0 });
    this.#stopAlone(code);
  }

  #stopAlone(code: number): void {
    this.#ports.report.stopped.push({ client: this.plan.name, code });
    this.stop();
  }

  #send(...frames: readonly Fields[]): void {
    this.#link?.send(...frames.map((frame) => encoded(this.plan.framing, frame)));
  }

  #placed(frame: Fields): Membership | undefined {
    return this.#membershipOf(textOf(frame, "roomSlug"));
  }

  #membershipOf(slug: string): Membership | undefined {
    return this.memberships.find((membership) => membership.slug === slug);
  }

  #joinOf(membership: Membership): Fields {
    const { slug, position } = membership;
    membership.since = position;
    return { type: "join_room", roomSlug: slug, ...(position !== null && { recover: position }) };
  }

  #joined(frame: Fields): void {
    const membership = this.#placed(frame);
    if (membership === undefined) return;
    const { topic, since } = membership;
    const position = placeOf(frame);
    const recovered = frame["wasRecovering"] === true ? frame["recovered"] === true : null;
    this.#ports.report.joins += 1;
    if (recovered === false) this.#ports.report.unrecovered += 1;
    const { name } = this.plan;
    this.#ports.recorder.record({ op: "join", client: name, user: name, topic, position, recovered, since });
    membership.isMember = true;
    membership.isOutside = false;
    if (recovered === true) for (const message of listOf(frame, "messages")) this.#received(message, "recovery");
    else membership.position = position;
    if (this.plan.watches) this.#send({ type: "presence", roomSlug: membership.slug });
  }

  #received(frame: Fields, via: "live" | "recovery"): void {
    const membership = this.#placed(frame);
    if (membership === undefined || this.isStopped) return;
    const message = receivedMessage(frame);
    const { topic, isOutside } = membership;
    if (isOutside) this.#ports.report.receivedOutside += 1;
    this.#ports.recorder.record({ op: "receipt", client: this.plan.name, topic, via, ...message });
    membership.moveTo(message);
  }

  /** What comes next follows a hole. */
  #lost(frame: Fields): void {
    // The own topic of a user may have a hole as well; there nothing is sent here.
    const membership = typeof frame["topic"] === "string" ? undefined : this.#placed(frame);
    if (membership === undefined) return;
    const position = placeOf(frame);
    this.#ports.report.gaps += 1;
    this.#ports.recorder.record({ op: "gap", client: this.plan.name, topic: membership.topic, position });
    membership.position = position;
  }

  #attemptOf(outgoing: Outgoing): void {
    const { id, roomSlug, text } = outgoing;
    const entry = { op: "attempt", client: this.plan.name, topic: `room:${roomSlug}`, id } as const;
    this.#ports.recorder.record({ ...entry, payload: recordedAs(text) });
    if (outgoing.sentMs > 0) this.#ports.report.retries += 1;
    outgoing.dueMs = Infinity;
    outgoing.sentMs = performance.now();
    this.#send(frameOf(outgoing));
  }

  #confirmed(frame: Fields): void {
    const id = textOf(frame, "messageId");
    const outgoing = this.outbox.confirmed(id);
    const topic = `room:${outgoing?.roomSlug ?? textOf(frame, "roomSlug")}`;
    this.#ports.recorder.record({ op: "ack", client: this.plan.name, topic, id, ...placeOf(frame) });
  }

  #failed(frame: Fields): void {
    const code = textOf(frame, "code");
    const { report, recorder } = this.#ports;
    countOne(report.errors, code);
    if (frame["id"] === "poison" && code === "INTERNAL") report.failedOwn += 1;
    const { messageId, roomSlug, retryAfterMs } = frame;
    const waitMs = typeof retryAfterMs === "number" ? retryAfterMs : REFUSED_WAIT_MS;
    if (typeof messageId === "string") {
      const outgoing = this.outbox.refused(messageId, performance.now() + waitMs);
      if (outgoing === undefined) return;
      const topic = `room:${outgoing.roomSlug}`;
      recorder.record({ op: "refusal", client: this.plan.name, topic, id: messageId, code });
    } else if (typeof roomSlug === "string" && ASKED_AGAIN.has(code)) {
      setTimeout(() => this.#joinAgain(roomSlug), waitMs);
    }
  }

  #joinAgain(slug: string): void {
    const membership = this.#membershipOf(slug);
    if (membership !== undefined && !membership.isMember && this.#isGreeted) this.#send(this.#joinOf(membership));
  }
}
