import type { Crew } from "./crew.ts";
import type { Chosen, FaultProxy } from "./fault-proxy.ts";
import { Link } from "./link.ts";
import { REDIS_ROWS, type RedisFault } from "./redis-faults.ts";
import { detailOf, type Fault, type FaultKind, type FaultOf, type Whom } from "./schedule.ts";
import type { Stage } from "./stage.ts";
import { nowS, tokenOf } from "./token.ts";

/** How each kind of fault is done. Resolves when it is over. */
type Rows = {
  readonly [K in Exclude<FaultKind, RedisFault>]: (stage: Stage, fault: FaultOf<K>) => void | Promise<void>;
};

const POLL_MS = 5;
const SLOW_POLL_MS = 250;
const CROWD_TOKEN_S = 3_600;
/** Longer than any drain: the second SIGTERM does not come. */
const NEVER_MS = 600_000;
/** What was on its way when the order was answered, on a machine that is busy. */
const REVOKED_ALLOWANCE_MS = 1_000;

const ROWS: Rows = {
  async kill(stage, { node: index, downMs }) {
    const node = stage.node(index);
    await node.kill();
    await Bun.sleep(downMs);
    await node.start();
  },

  async terminate(stage, { node: index, againAfterMs }) {
    const node = stage.node(index);
    const ports = stage.portsOf(index);
    node.signal("SIGTERM", true);
    const again = setTimeout(() => node.signal("SIGTERM", true), againAfterMs);
    const ended = node.ended();
    const unreadyAtMs = await Promise.race([unready(stage, index), ended.then(({ atMs }) => atMs)]);
    const { atMs: endedAtMs } = await ended;
    clearTimeout(again);
    stage.drains.push({ ports, unreadyAtMs, endedAtMs });
    await node.start();
  },

  async suspend(stage, { node: index, forMs }) {
    const node = stage.node(index);
    node.signal("SIGSTOP");
    await Bun.sleep(forMs);
    node.signal("SIGCONT");
  },

  async "suspend-clients"(stage, { process: index, forMs }) {
    const crew = stage.crews.filter(({ name }) => name.startsWith("subscribers"))[index];
    await suspend(crew, forMs);
  },

  async "stall-loop"(stage, { node: index, forMs }) {
    stage.node(index).stallLoop(forMs);
    await Bun.sleep(forMs);
  },

  cut(stage, { whom, every }) {
    for (const proxy of stage.proxies(whom)) proxy.cutAll(of(every));
  },

  "cut-after": (stage, { whom, every, bytes, direction, forMs }) =>
    whileFaulty(stage, whom, forMs, (proxy) => proxy.cutAfter(bytes, direction, of(every))),

  "drop-replies": (stage, { whom, every, forMs }) =>
    whileFaulty(stage, whom, forMs, (proxy) => proxy.dropReplies(of(every))),

  async "stop-reading"(stage, { whom, every, forMs, atMostMs }) {
    const stalled = stage.proxies(whom);
    for (const proxy of stalled) proxy.stall({ ...of(every), direction: "toClient" });
    await Bun.sleep(forMs);
    const deadlineMs = performance.now() + atMostMs - forMs;
    while (performance.now() < deadlineMs && !(await hasEndedSlowConsumers(stage))) await Bun.sleep(SLOW_POLL_MS);
    for (const proxy of stalled) proxy.heal();
  },

  blackhole: (stage, { whom, every, forMs }) => whileFaulty(stage, whom, forMs, (proxy) => proxy.blackhole(of(every))),

  "lock-out": (stage, { whom, forMs }) =>
    whileFaulty(stage, whom, forMs, (proxy) => {
      proxy.refuse();
      proxy.cutAll();
    }),

  async crowd(stage, { node: index, connections, forMs }) {
    let opened = 0;
    let refused = 0;
    const { port } = stage.node(index);
    const links = Array.from({ length: connections }, (_, nth) => {
      const headers = [["Authorization", `Bearer ${tokenOf(`crowd-${nth}`, nowS() + CROWD_TOKEN_S)}`]] as const;
      const owner = {
        opened: () => void (opened += 1),
        message: () => {},
        refused: () => void (refused += 1),
        ended: () => {},
      };
      return new Link({ port, path: "/ws", headers }, owner);
    });
    await Bun.sleep(forMs);
    stage.crowds.push({ opened, refused });
    for (const link of links) link.destroy();
  },

  async roll(stage, { times }) {
    for (let time = 0; time < times; time += 1) {
      for (let index = 0; index < stage.nodes.length; index += 1) {
        await ROWS.terminate(stage, { do: "terminate", atMs: 0, node: index, againAfterMs: NEVER_MS });
        await ready(stage, index);
      }
    }
  },

  async revoke(stage, { node: index, users }) {
    await Promise.all(users.map((sub) => revoke(stage, index, sub)));
  },
};

export async function commit(stage: Stage, fault: Fault): Promise<void> {
  stage.recorder.record({ op: "fault", client: "kit", name: fault.do, detail: detailOf(fault) });
  await run(stage, fault);
}

/** TypeScript does not see through the table that a row gets faults of its own kind. */
function run(stage: Stage, fault: Fault): void | Promise<void> {
  switch (fault.do) {
    case "kill":
      return ROWS.kill(stage, fault);
    case "terminate":
      return ROWS.terminate(stage, fault);
    case "suspend":
      return ROWS.suspend(stage, fault);
    case "suspend-clients":
      return ROWS["suspend-clients"](stage, fault);
    case "stall-loop":
      return ROWS["stall-loop"](stage, fault);
    case "cut":
      return ROWS.cut(stage, fault);
    case "cut-after":
      return ROWS["cut-after"](stage, fault);
    case "drop-replies":
      return ROWS["drop-replies"](stage, fault);
    case "stop-reading":
      return ROWS["stop-reading"](stage, fault);
    case "blackhole":
      return ROWS.blackhole(stage, fault);
    case "lock-out":
      return ROWS["lock-out"](stage, fault);
    case "crowd":
      return ROWS.crowd(stage, fault);
    case "roll":
      return ROWS.roll(stage, fault);
    case "revoke":
      return ROWS.revoke(stage, fault);
    case "kill-redis":
      return REDIS_ROWS["kill-redis"](stage, fault);
    case "flush-redis":
      return REDIS_ROWS["flush-redis"](stage, fault);
    case "suspend-redis":
      return REDIS_ROWS["suspend-redis"](stage, fault);
    case "kill-clients":
      return REDIS_ROWS["kill-clients"](stage, fault);
    case "part":
      return REDIS_ROWS.part(stage, fault);
    case "slow-redis":
      return REDIS_ROWS["slow-redis"](stage, fault);
    case "fill-redis":
      return REDIS_ROWS["fill-redis"](stage, fault);
    case "evict":
      return REDIS_ROWS.evict(stage, fault);
    case "fail-over":
      return REDIS_ROWS["fail-over"](stage, fault);
  }
}

function of(every: number | undefined): Chosen {
  return every === undefined ? {} : { only: (index) => index % every === 0 };
}

async function whileFaulty(stage: Stage, whom: Whom, forMs: number, begin: (proxy: FaultProxy) => void): Promise<void> {
  for (const proxy of stage.proxies(whom)) begin(proxy);
  await Bun.sleep(forMs);
  for (const proxy of stage.proxies(whom)) proxy.heal();
}

async function hasEndedSlowConsumers(stage: Stage): Promise<boolean> {
  const metrics = await Promise.all(stage.nodes.map((node) => node.metrics()));
  return metrics.some((samples) => (samples.get("tautline_slow_consumers_total") ?? 0) > 0);
}

async function suspend(crew: Crew | undefined, forMs: number): Promise<void> {
  crew?.signal("SIGSTOP");
  await Bun.sleep(forMs);
  crew?.signal("SIGCONT");
}

/** Given again where it was not taken. */
async function revoke(stage: Stage, index: number, sub: string): Promise<void> {
  const order = (): Promise<Response> => stage.node(index).http("/api/tokens/revoke", { sub });
  while ((await order()).status !== 200) await Bun.sleep(SLOW_POLL_MS);
  for (const topic of stage.topicsOf(sub))
    stage.recorder.record({ op: "barred", client: sub, topic, allowanceMs: REVOKED_ALLOWANCE_MS });
}

async function ready(stage: Stage, index: number): Promise<void> {
  const isReady = (): Promise<boolean> =>
    stage
      .node(index)
      .http("/ready")
      .then(
        ({ status }) => status === 200,
        () => false,
      );
  while (!(await isReady())) await Bun.sleep(POLL_MS);
}

/** When the node says first that it is not ready. */
async function unready(stage: Stage, index: number): Promise<number> {
  for (;;) {
    const status = await stage
      .node(index)
      .http("/ready")
      .then(
        ({ status: said }) => said,
        () => 0,
      );
    if (status !== 200) return Date.now();
    await Bun.sleep(POLL_MS);
  }
}
