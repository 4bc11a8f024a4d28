import { expect, test } from "bun:test";
import fc from "fast-check";
import type { KeptSocket } from "../support/hub.ts";
import { REDIS, TestRedis } from "../support/redis.ts";
import { SharedHub, told } from "../support/shared-hub.ts";
import { until } from "../auth/tokens.ts";

/** Users on three nodes that come, go, break off, are sent away by a drain, and whose node dies. */

const USERS = ["ada", "bob", "carol", "dan", "eve"] as const;
const NODES = 3;

const step = fc.record({
  user: fc.constantFrom(...USERS),
  node: fc.nat({ max: NODES - 1 }),
  action: fc.oneof(
    { weight: 8, arbitrary: fc.constant("join") },
    { weight: 5, arbitrary: fc.constant("leave") },
    { weight: 3, arbitrary: fc.constant("break") },
    { weight: 1, arbitrary: fc.constant("kill") },
    { weight: 1, arbitrary: fc.constant("cut") },
  ),
  /** Round trips to Redis before the next step. */
  trips: fc.constantFrom(0, 0, 1, 3),
});

interface Place {
  readonly hub: SharedHub;
  readonly observer: { readonly socket: KeptSocket; readonly seen: Set<string>; readonly name: string };
  readonly sockets: Map<string, KeptSocket[]>;
}

/** What an observer was told makes sense: whoever comes was not there, and whoever leaves was. */
function follow({ observer: { socket, seen } }: Place): void {
  for (const change of told(socket)) {
    const user = change.slice(1);
    const wasThere = seen.has(user);
    expect([change, wasThere]).toEqual([change, change.startsWith("-")]);
    if (wasThere) seen.delete(user);
    else seen.add(user);
  }
}

test.skipIf(REDIS.path === null)(
  `every member on every node sees joins and leaves that alternate, and in the end who is there${REDIS.skipReason}`,
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 60 }), async (steps) => {
        const redis = await TestRedis.start();
        const places: Place[] = [];
        const dead: SharedHub[] = [];
        let serial = 0;
        const start = async (): Promise<Place> => {
          serial += 1;
          const name = `watcher-${serial}`;
          const hub = await SharedHub.start(redis, `node-${serial}`, { doubtMs: 1_000 });
          const { socket } = await hub.member(name, "r");
          // Who came between the answer and here is in both.
          socket.take();
          return { hub, observer: { socket, seen: new Set(hub.users("r")), name }, sockets: new Map() };
        };
        const socketsOf = ({ sockets }: Place, user: string): KeptSocket[] => sockets.get(user) ?? [];
        try {
          for (let n = 0; n < NODES; n += 1) places.push(await start());
          for (const { user, node, action, trips } of steps) {
            const place = places[node];
            if (place === undefined) continue;
            const mine = socketsOf(place, user);
            if (action === "join" && mine.length < 2) {
              place.sockets.set(user, [...mine, (await place.hub.member(user, "r")).socket]);
            } else if (action === "leave" || action === "break") {
              mine.pop()?.end(action === "leave" ? 1000 : 1006);
            } else if (action === "kill") {
              place.hub.kill();
              dead.push(place.hub);
              places[node] = await start();
            } else if (action === "cut") {
              await redis.command("CLIENT", "KILL", "TYPE", "normal");
            }
            for (let trip = 0; trip < trips; trip += 1) await redis.command("PING");
            for (const every of places) follow(every);
          }
          for (const { hub } of places) hub.rig.tick(10);
          const present = new Set(places.map(({ observer }) => observer.name));
          for (const { sockets } of places) for (const [user, open] of sockets) if (open.length > 0) present.add(user);
          const truth = [...present].toSorted();
          await until(() => {
            for (const { hub } of places) hub.presence.sweep();
            return places.every(({ hub }) => hub.users("r").join() === truth.join());
          });
          for (const place of places) {
            follow(place);
            expect([...place.observer.seen].toSorted()).toEqual(truth);
          }
        } finally {
          await Promise.all([...places.map(({ hub }) => hub), ...dead].map((hub) => hub.stop()));
          await redis.stop();
        }
      }),
      { numRuns: 8, seed: 44, endOnFailure: true },
    );
  },
  120_000,
);
