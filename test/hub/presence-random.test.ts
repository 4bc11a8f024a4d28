import { expect, test } from "bun:test";
import fc from "fast-check";
import { HubRig } from "../support/hub.ts";
import { PresenceClient } from "../support/presence-client.ts";

/** Clients that follow a room of few users, which changes its mode all the time: one by one up to 4 users, again at 3. */

const USERS = ["ada", "bob", "carol", "dan", "eve", "finn", "gil", "hal"] as const;
const TICK_MS = 250;

const weighted = (weights: Readonly<Record<string, number>>) =>
  fc.oneof(...Object.entries(weights).map(([value, weight]) => ({ weight, arbitrary: fc.constant(value) })));

const step = fc.record({
  user: fc.constantFrom(...USERS),
  // Mostly coming and going between two ticks, with somebody who reads the list in between.
  action: weighted({ join: 8, leave: 6, read: 6, wait: 2, connect: 1, close: 1, break: 1, expire: 1, tick: 1 }),
  waitMs: fc.constantFrom(1, 100, TICK_MS),
});

interface Follower extends ReturnType<HubRig["connect"]> {
  readonly client: PresenceClient;
}

test("every member knows the number of users and, once it has read the list, who they are, whatever others do", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const rig = new HubRig({ presenceFullMax: 4, joinBurst: 1_000, messageBurst: 10_000, pongTimeoutMs: 1_000_000 });
      const followers = new Set<Follower>();
      const newest = (user: string) => [...followers].findLast(({ connection }) => connection.principal?.id === user);
      const receive = ({ socket, client }: Follower) => client.apply(socket.take());
      const connect = (user: string) => followers.add({ ...rig.connect(user), client: new PresenceClient() });
      for (const user of USERS) connect(user);
      for (const { connection } of followers) rig.receive(connection, { type: "join_room", roomSlug: "r" });
      for (const { user, action, waitMs } of steps) {
        const mine = newest(user);
        if (action === "wait") rig.clock.advance(waitMs);
        else if (action === "tick") rig.tick(2);
        else if (action === "connect") {
          if (mine === undefined || followers.size < 12) connect(user);
        } else if (mine === undefined) continue;
        else if (action === "join" || action === "leave") {
          rig.receive(mine.connection, { type: `${action}_room`, roomSlug: "r" });
        } else if (action === "read") {
          if (mine.connection.rooms.length === 0) continue;
          receive(mine);
          mine.client.startReading();
          rig.receive(mine.connection, { type: "presence", roomSlug: "r" });
        } else {
          followers.delete(mine);
          if (action === "expire") mine.connection.close(4001);
          else mine.socket.end(action === "close" ? 1000 : 1006);
        }
        if (action === "wait" && waitMs === TICK_MS) check();
      }
      rig.tick(10);
      check();
      const inRoom = [...followers].filter(({ connection }) => connection.rooms.length > 0);
      const present = new Set(inRoom.map(({ connection }) => connection.principal?.id));
      expect(rig.hub.rooms.get("room:r")?.occupants?.size ?? 0).toBe(present.size);
      for (const { client } of inRoom) if (client.users !== null) expect(client.users).toEqual(new Set([...present]));

      for (const { socket } of followers) socket.end(1000);
      rig.tick(10);
      expect([rig.hub.rooms.size, rig.hub.rooms.memberships, rig.clock.pendingTimers]).toEqual([0, 0, 0]);

      /** Nothing is pending: whoever is in the room agrees with the hub. */
      function check(): void {
        const room = rig.hub.rooms.get("room:r");
        const users = new Set(room?.occupants?.page(undefined).users.map(({ userId }) => userId));
        for (const follower of followers) {
          receive(follower);
          if (follower.connection.rooms.length === 0) follower.client.users = null;
          else {
            expect(follower.client.count).toBe(users.size);
            if (follower.client.users !== null) expect(new Set(follower.client.users)).toEqual(new Set(users));
          }
        }
      }
    }),
    { numRuns: 400, seed: 22 },
  );
});
