import type { Random } from "./random.ts";

/** Whose connections: those that pass by that proxy. */
export type Whom = "publishers" | "subscribers";

interface On {
  readonly whom: Whom;
  /** Only each so manieth connection; all of them where it is left out. */
  readonly every?: number;
}
/** A direction of a connection through a proxy; both where it is left out. */
interface Directed {
  readonly direction?: "toServer" | "toClient";
}
interface Lasting {
  readonly forMs: number;
}
interface OfNode {
  /** From 0. */
  readonly node: number;
}

/** What is done to the system. Every kind has a row in `faults.ts`. */
interface Kinds {
  /** SIGKILL; the supervisor starts it again after so long. */
  readonly kill: OfNode & { readonly downMs: number };
  /** SIGTERM, twice, and another node takes its place when it has ended. */
  readonly terminate: OfNode & { readonly againAfterMs: number };
  /** SIGSTOP, then SIGCONT. */
  readonly suspend: OfNode & Lasting;
  readonly "suspend-clients": Lasting & { readonly process: number };
  /** A busy loop in the node. */
  readonly "stall-loop": OfNode & Lasting;
  readonly cut: On;
  /** Every connection ends behind so many bytes more in that direction, new ones too. */
  readonly "cut-after": On & Lasting & { readonly bytes: number; readonly direction: "toServer" | "toClient" };
  readonly "drop-replies": On & Lasting;
  /** What the node sends is not read: so long, and longer where the buffers on the way are so large that no node has noticed yet. */
  readonly "stop-reading": On & Lasting & { readonly atMostMs: number };
  readonly blackhole: On & Lasting;
  /** All connections end, and new ones are reset. */
  readonly "lock-out": On & Lasting;
  /** So many connections more, which do nothing. */
  readonly crowd: OfNode & Lasting & { readonly connections: number };
  /** All nodes, one after the other, so many times: SIGTERM, and the next one is begun with when it is ready again. */
  readonly roll: { readonly times: number };
  /** By the backend, at that node: all connections of these users end, and are told so wherever they are. */
  readonly revoke: OfNode & { readonly users: readonly string[] };
  /** SIGKILL; it starts again after so long, with what is on its disk. */
  readonly "kill-redis": { readonly downMs: number };
  readonly "flush-redis": object;
  readonly "suspend-redis": Lasting;
  /** `CLIENT KILL TYPE`: the connections of the bus, or those for commands. */
  readonly "kill-clients": { readonly type: "pubsub" | "normal" };
  /** What passes between that node and Redis vanishes. */
  readonly part: OfNode & Lasting & Directed;
  /** Of all nodes: later by so much, in either direction. */
  readonly "slow-redis": Lasting & { readonly delayMs: number; readonly jitterMs: number };
  /** Its memory is bounded by that part of what it uses; the policy is that of its options. */
  readonly "fill-redis": Lasting & { readonly share: number };
  /** As an eviction policy does it: every key is gone that a topic stands in, again and again. */
  readonly evict: Lasting & { readonly everyMs: number };
  /** The master is killed, and starts again after so long. By then the Sentinel has promoted its replica. */
  readonly "fail-over": { readonly downMs: number };
}
export type FaultKind = keyof Kinds;
export type FaultOf<K extends FaultKind> = { readonly do: K; readonly atMs: number } & Kinds[K];
export type Fault = { readonly [K in FaultKind]: FaultOf<K> }[FaultKind];

/** The time of a run under load, in milliseconds. Faults are placed by it, so that a short run has them all. */
export interface Span {
  readonly loadMs: number;
  /** When the first fault comes: 20 s in a run of a minute. */
  readonly faultAtMs: number;
}

export function spanOf(seconds: number): Span {
  return { loadMs: seconds * 1_000, faultAtMs: Math.round((seconds * 1_000) / 3) };
}

/** As long as that in a long run; never more than that part of a short one. */
export function upTo(wantedMs: number, { loadMs }: Span, part: number): number {
  return Math.min(wantedMs, Math.round(loadMs * part));
}

/** From `fromMs` on to shortly before the end, with a time between two that the seed chooses. */
export function repeated(
  { loadMs }: Span,
  random: Random,
  [minMs, maxMs]: readonly [number, number],
  make: (atMs: number) => Fault,
  fromMs = 0,
): Fault[] {
  const faults: Fault[] = [];
  for (let atMs = fromMs + random.integer(minMs, maxMs); atMs < loadMs; atMs += random.integer(minMs, maxMs))
    faults.push(make(atMs));
  return faults;
}

/** Without its kind and time: for the report. */
export function detailOf({ do: _kind, atMs: _atMs, ...detail }: Fault): string {
  return Object.entries(detail)
    .map(([name, value]) => `${name} ${value}`)
    .join(", ");
}
