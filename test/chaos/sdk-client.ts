import { type Client, connect, type Status, TautlineError } from "../../src/client/index.ts";
import { Bearer } from "./bearer.ts";
import type { ClientPlan } from "./client-plan.ts";
import type { ClientPorts } from "./client.ts";
import { countOne } from "./client-report.ts";
import type { FleetClient } from "./fleet-client.ts";
import { EVENT, Outbox, type Outgoing } from "./outbox.ts";
import { recordedAs } from "./received.ts";
import { SdkMembership } from "./sdk-membership.ts";
import { observedSocket } from "./sdk-socket.ts";
import { nowS } from "./token.ts";

const BACKOFF = { minDelayMs: 100, maxDelayMs: 2_000 };

/**
 * The SDK in the place of the kit's own client: it comes back, recovers and sends again by itself, and what an application is told goes
 * into the history. It does not hop and sends no poison.
 */
export class SdkClient implements FleetClient {
  readonly plan: ClientPlan;
  readonly outbox: Outbox;
  readonly #ports: ClientPorts;
  readonly #bearer: Bearer;
  readonly #sent = new Set<string>();
  #client: Client | null = null;
  #memberships: readonly SdkMembership[] = [];
  #wasConnected = false;
  isStopped = false;

  constructor(plan: ClientPlan, ports: ClientPorts) {
    this.plan = plan;
    this.#ports = ports;
    this.#bearer = new Bearer(plan);
    this.outbox = new Outbox(plan.name, plan.rooms, ports.size, ports.random.fork("outbox"));
  }

  get memberships(): readonly SdkMembership[] {
    return this.#memberships;
  }

  get isMemberOfAll(): boolean {
    return this.#memberships.length > 0 && this.#memberships.every(({ isMember }) => isMember);
  }

  get isConnected(): boolean {
    return this.#client?.status.state === "connected";
  }

  start(): void {
    const { plan } = this;
    const { ports, random, report, recorder } = this.#ports;
    // Of the two only the one that is refused by a frame can know that its token is the reason.
    const isFrame = plan.lastTokenTtlS !== undefined;
    const port = random.pick(ports);
    const client = connect(`ws://127.0.0.1:${port}${isFrame ? "/" : "/ws"}`, {
      ...{ token: () => this.#bearer.token(), format: plan.framing, backoff: BACKOFF, random: () => random.next() },
      auth: isFrame ? "first-message" : "subprotocol",
      WebSocket: observedSocket({
        upgraded: (fromMs, toMs) => report.upgrades.push({ fromMs, toMs, port }),
        sent: (id) => this.#wasSent(id),
        came: (slug, message) => this.#memberships.find((each) => each.slug === slug)?.cameOnTheWire(message),
        failed: (code) => countOne(report.errors, code),
      }),
    });
    this.#client = client;
    client.on("status", (status) => this.#changed(status));
    this.#memberships = plan.rooms.map(
      (slug) => new SdkMembership(slug, client.join(slug), { client: plan.name, recorder, report }),
    );
  }

  stop(): void {
    if (this.isStopped) return;
    this.isStopped = true;
    for (const membership of this.#memberships) membership.settle();
    this.#ports.recorder.record({ op: "stop", client: this.plan.name });
    void this.#client?.close();
  }

  /** An earlier token may be good for longer than the last one: it gets no other behind both. */
  loadBegins(): void {
    const lastEndsAtS = this.#bearer.takeLast();
    if (lastEndsAtS === null) return;
    const endsAtS = Math.max(lastEndsAtS, nowS() + this.plan.tokenTtlS);
    const { recorder, expiryAllowanceMs: allowanceMs } = this.#ports;
    for (const { topic } of this.#memberships)
      recorder.record({ op: "barred", client: this.plan.name, topic, allowanceMs }, endsAtS * 1_000);
  }

  /** Also without a connection: the SDK keeps it. */
  publish(): void {
    const outgoing = this.isStopped ? null : this.outbox.make();
    if (outgoing !== null) void this.#publish(outgoing);
  }

  tick(): void {
    // The SDK has its own clock.
  }

  leave(): void {
    throw new Error("the SDK does not hop in the kit");
  }

  sendPoison(): void {
    throw new Error("the SDK sends no poison");
  }

  async #publish({ id, roomSlug, text, isEvent }: Outgoing): Promise<void> {
    const membership = this.#memberships.find(({ slug }) => slug === roomSlug);
    if (membership === undefined) return;
    const { recorder } = this.#ports;
    const entry = { client: this.plan.name, topic: membership.topic, id };
    recorder.record({ op: "attempt", ...entry, payload: recordedAs(text) });
    try {
      const { room } = membership;
      const options = { messageId: id };
      const sent = isEvent ? room.publish(EVENT, { text }, options) : room.send(text, options);
      const { offset, epoch } = await sent;
      recorder.record({ op: "ack", ...entry, offset, epoch });
    } catch (error) {
      if (!(error instanceof TautlineError)) throw error;
      countOne(this.#ports.report.errors, error.code);
      if (!this.isStopped) recorder.record({ op: "refusal", ...entry, code: error.code });
    } finally {
      this.outbox.confirmed(id);
    }
  }

  #wasSent(id: string): void {
    if (this.#sent.has(id)) this.#ports.report.retries += 1;
    this.#sent.add(id);
  }

  #changed(status: Status): void {
    const { state } = status;
    const { recorder, report } = this.#ports;
    if (this.#wasConnected && state !== "connected") {
      for (const membership of this.#memberships) membership.connectionLost();
      if (!this.isStopped && "code" in statusWhy(status)) this.#ended(statusWhy(status).code);
    }
    this.#wasConnected = state === "connected";
    if (state !== "closed" || this.isStopped) return;
    report.stopped.push({ client: this.plan.name, code: status.code });
    this.isStopped = true;
    recorder.record({ op: "stop", client: this.plan.name });
  }

  #ended(code: number): void {
    const { recorder, report } = this.#ports;
    recorder.record({ op: "end", client: this.plan.name, code });
    report.closes.push({ atMs: Date.now(), client: this.plan.name, code });
  }
}

function statusWhy(status: Status): { readonly code: number } {
  if (status.state === "waiting") return status.why;
  return status.state === "closed" ? status : { code: 0 };
}
