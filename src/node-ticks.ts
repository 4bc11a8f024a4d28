import type { Api } from "./api/app.ts";
import type { Authenticator } from "./auth/authenticate.ts";
import type { Engine } from "./engine/engine.ts";
import type { Handshakes } from "./hub/handshakes.ts";
import { type HeartbeatOptions, tickMs } from "./hub/heartbeat.ts";
import type { Hub } from "./hub/hub.ts";
import { BEAT_MS, Overload } from "./hub/overload.ts";
import { sweepUnsent, UNSENT_SWEEP_MS } from "./hub/unsent.ts";
import type { Audit } from "./observe/audit.ts";
import type { Clock } from "./observe/clock.ts";
import { DescriptorWatch } from "./observe/descriptor-watch.ts";
import type { Log } from "./observe/log.ts";
import { createLoopDelay } from "./observe/loop-delay.ts";
import type { Metrics } from "./observe/metrics.ts";

interface TickOptions extends HeartbeatOptions {
  readonly overloadDelayMs: number;
}

interface TickParts {
  readonly engine: Pick<Engine, "closeIdle">;
  readonly hub: Hub;
  readonly handshakes: Handshakes;
  readonly api: Api;
  readonly authenticator: Authenticator;
  readonly audit: Audit;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly clock: Clock;
}

/** What a node does by itself: it looks after its connections, and once a second at its own state, of which it logs every change. */
export class NodeTicks {
  readonly #options: TickOptions;
  readonly #parts: TickParts;
  readonly #loopDelay = createLoopDelay();
  readonly #descriptors: DescriptorWatch;
  #timers: NodeJS.Timeout[] = [];
  #secondMs: number;
  #hasKeys = true;
  #auditFailure: string | null = null;
  #noDescriptors = false;
  readonly overload: Overload;
  #wasOverloaded = false;

  constructor(options: TickOptions, parts: TickParts) {
    this.#options = options;
    this.#parts = parts;
    this.#descriptors = new DescriptorWatch(parts.clock);
    this.#secondMs = parts.clock.monotonic();
    this.overload = new Overload(options.overloadDelayMs);
  }

  start(): void {
    const { hub, clock } = this.#parts;
    this.overload.beat(clock.monotonic());
    this.#timers = [
      setInterval(() => this.overload.beat(clock.monotonic()), BEAT_MS),
      setInterval(() => this.#tick(), tickMs(this.#options)),
      setInterval(() => sweepUnsent(hub), UNSENT_SWEEP_MS),
    ];
  }

  stop(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#loopDelay.stop();
    this.#descriptors.stop();
  }

  #tick(): void {
    const { hub, clock } = this.#parts;
    hub.tick();
    if (clock.monotonic() - this.#secondMs < 1_000) return;
    this.#secondMs = clock.monotonic();
    this.#everySecond();
  }

  #everySecond(): void {
    const { engine, handshakes, api, metrics, authenticator, audit, log } = this.#parts;
    handshakes.sweep();
    api.sweep();
    this.#descriptors.sample();
    const { isExhausted: noDescriptors } = this.#descriptors;
    if (noDescriptors) engine.closeIdle();
    this.#loopDelay.sample();
    const p99Ms = this.#loopDelay.p99Ms();
    metrics.eventLoopDelay.observe(p99Ms / 1_000);
    this.overload.sample(p99Ms);
    const overloaded = this.overload.isOver(this.#secondMs);
    const hasKeys = authenticator.keysReady;
    const { failure: auditFailure, lost } = audit;
    if (overloaded !== this.#wasOverloaded) log.warn({ overloaded, p99Ms }, "event loop delay");
    if (hasKeys !== this.#hasKeys) log.warn({ hasKeys }, "keys to verify tokens with");
    if (auditFailure !== this.#auditFailure) log.warn({ auditFailure, lost }, "audit log");
    if (noDescriptors !== this.#noDescriptors) log.warn({ noDescriptors }, "file descriptors");
    this.#noDescriptors = noDescriptors;
    this.#wasOverloaded = overloaded;
    this.#hasKeys = hasKeys;
    this.#auditFailure = auditFailure;
  }
}
