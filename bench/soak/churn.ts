/** The process of the visitors: ever new users, rooms and connections, at so many visits a second, until it is told to stop. */
import * as v from "valibot";
import { Random } from "./random.ts";
import {
  comesWithTicket,
  isRefused,
  logsInInVain,
  neverSaysWhoItIs,
  outlivesItsToken,
  saysWhoItIs,
} from "./visits/doors.ts";
import { isDisconnected, isRevoked, isServed, isStreamedTo, looksAround, losesPermissions } from "./visits/orders.ts";
import { breaksAndRecovers, chats, chatsInMessagePack, hasSeveralConnections, joinsManyRooms } from "./visits/rooms.ts";
import {
  breaksTheProtocol,
  isOverrun,
  sendsNonsense,
  sendsTooMuch,
  sendsTooOften,
  stopsReading,
} from "./visits/trouble.ts";
import { World } from "./world.ts";

export interface Visit {
  readonly weight: number;
  readonly run: (world: World) => Promise<void>;
}

const VISITS: readonly [Visit, ...Visit[]] = [
  { weight: 300, run: chats },
  { weight: 150, run: chatsInMessagePack },
  { weight: 200, run: breaksAndRecovers },
  { weight: 40, run: hasSeveralConnections },
  { weight: 5, run: joinsManyRooms },
  { weight: 50, run: comesWithTicket },
  { weight: 40, run: saysWhoItIs },
  { weight: 20, run: neverSaysWhoItIs },
  { weight: 60, run: isRefused },
  { weight: 20, run: outlivesItsToken },
  { weight: 1, run: logsInInVain },
  { weight: 20, run: sendsNonsense },
  { weight: 10, run: sendsTooMuch },
  { weight: 5, run: sendsTooOften },
  { weight: 20, run: breaksTheProtocol },
  { weight: 4, run: stopsReading },
  { weight: 2, run: isOverrun },
  { weight: 30, run: isRevoked },
  { weight: 30, run: losesPermissions },
  { weight: 20, run: isDisconnected },
  { weight: 30, run: isServed },
  { weight: 10, run: looksAround },
  { weight: 10, run: isStreamedTo },
];

const TICK_MS = 50;
/** More than that under way: the machine is too slow for the rate, and the next visitors wait. */
const MAX_UNDER_WAY = 2_000;

export const ChurnOrder = v.variant("do", [
  v.object({
    do: v.literal("churn"),
    port: v.number(),
    secret: v.string(),
    apiKey: v.string(),
    aheadMs: v.number(),
    seed: v.number(),
    visitsPerSecond: v.number(),
  }),
  v.object({ do: v.literal("end") }),
]);

export const ChurnReport = v.object({
  /** By name. */
  visits: v.record(v.string(), v.number()),
  /** What went otherwise than it should have → how often. */
  unexpected: v.record(v.string(), v.number()),
});

type ChurnOrder = v.InferOutput<typeof ChurnOrder>;

class Churn {
  readonly #world: World;
  readonly #visitsPerSecond: number;
  readonly #random: Random;
  readonly #underWay = new Set<Promise<void>>();
  readonly #visits = new Map<string, number>();
  readonly #startMs = performance.now();
  readonly #timer = setInterval(() => this.#tick(), TICK_MS);
  #begun = 0;

  constructor(order: Extract<ChurnOrder, { do: "churn" }>) {
    this.#random = new Random(order.seed);
    this.#world = new World(order, this.#random);
    this.#visitsPerSecond = order.visitsPerSecond;
  }

  #tick(): void {
    const due = ((performance.now() - this.#startMs) / 1_000) * this.#visitsPerSecond;
    while (this.#begun < due) {
      this.#begun += 1;
      if (this.#underWay.size < MAX_UNDER_WAY) this.#begin(this.#random.weighted(VISITS));
    }
  }

  #begin({ run }: Visit): void {
    this.#visits.set(run.name, (this.#visits.get(run.name) ?? 0) + 1);
    const visit = run(this.#world)
      .catch((error: unknown) => this.#world.note(run.name, error))
      .finally(() => this.#underWay.delete(visit));
    this.#underWay.add(visit);
  }

  /** When the last visitor has gone. */
  async end(): Promise<v.InferOutput<typeof ChurnReport>> {
    clearInterval(this.#timer);
    await Promise.all(this.#underWay);
    return { visits: Object.fromEntries(this.#visits), unexpected: this.#world.unexpected };
  }
}

if (import.meta.main) {
  let churn: Churn | null = null;
  const carryOut = async (order: ChurnOrder): Promise<void> => {
    if (order.do === "churn") churn = new Churn(order);
    else if (churn !== null) process.send?.(await churn.end());
  };
  process.on("message", (message: unknown) => void carryOut(v.parse(ChurnOrder, message)));
}
