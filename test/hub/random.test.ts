import { expect, test } from "bun:test";
import fc from "fast-check";
import { ERRORS } from "../../src/protocol/codes.ts";
import { clientFrames } from "../../src/protocol/frames.ts";
import { jsonCodec } from "../../src/protocol/json.ts";
import { msgpackCodec } from "../../src/protocol/msgpack.ts";
import { shortest } from "../support/msgpack-forms.ts";
import { HubRig } from "../support/hub.ts";

/** What holds whatever clients send and in whatever order they come and go. A failure prints its seed and its path. */

const SEED = 20_261_126;

const value = fc.oneof(
  fc.constantFrom("r", "general", "room:r", "user:ada", "a b", "", true, false, null, 0, -1, 1.5, "x".repeat(5_000)),
  fc.string(),
  fc.jsonValue({ maxDepth: 3 }),
);
const position = fc.oneof(value, fc.record({ offset: fc.oneof(fc.nat(5), value), epoch: value }, { requiredKeys: [] }));
const frame = fc.record(
  {
    type: fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...Object.keys(clientFrames)) }, value),
    ...{ id: value, token: value, roomSlug: value, topic: value, message: value, messageId: value, isTyping: value },
    ...{ after: value, limit: value, recover: position, since: position },
  },
  { requiredKeys: ["type"] },
);

test("any frames are answered with documented frames or closes, and never reach a fault of ours", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(frame, fc.boolean()), { maxLength: 60 }), fc.boolean(), (frames, isPacked) => {
      const rig = new HubRig({ messageBurst: 1_000 });
      const bystander = rig.connect("bystander");
      const { socket, connection } = rig.member("ada", "r", isPacked ? msgpackCodec : jsonCodec);
      for (const [sent, asBytes] of frames) {
        if (asBytes) rig.hub.message(connection, shortest(sent));
        else rig.receive(connection, sent);
      }
      rig.receive(connection, { type: "ping", id: "last" });

      expect(rig.failures).toEqual([]);
      expect(socket.closed).toBeNull();
      const received = socket.take();
      expect(received.at(-1)).toMatchObject({ type: "pong", id: "last" });
      for (const answer of received) {
        expect(answer["type"]).toBeString();
        expect(answer["timestamp"]).toBeInteger();
        if (answer["type"] === "error") expect(Object.keys(ERRORS)).toContain(String(answer["code"]));
      }
      expect(bystander.socket.take()).toEqual([]);
    }),
    { seed: SEED, numRuns: 300 },
  );
});

const USERS = ["ada", "bob", "carol"] as const;
const step = fc.record({
  user: fc.constantFrom(...USERS),
  action: fc.constantFrom("connect", "join", "leave", "close", "break", "expire", "tick"),
});

test("who follows user_joined and user_left knows who is in the room, whatever the order of coming and going", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const rig = new HubRig({ joinBurst: 1_000, pongTimeoutMs: 1_000_000 });
      const watcher = rig.member("watcher", "r");
      const open = new Map<string, ReturnType<HubRig["connect"]>[]>(USERS.map((user) => [user, []]));
      for (const { user, action } of steps) {
        const mine = open.get(user) ?? [];
        if (action === "tick") rig.tick(2);
        else if (action === "connect") {
          if (mine.length < 3) mine.push(rig.connect(user));
        } else if (action === "join" || action === "leave") {
          const last = mine.at(-1);
          if (last !== undefined) rig.receive(last.connection, { type: `${action}_room`, roomSlug: "r" });
        } else if (action === "expire") mine.shift()?.connection.close(4001);
        else mine.shift()?.socket.end(action === "close" ? 1000 : 1006);
      }
      rig.tick(10);

      const known = new Set<unknown>(["watcher"]);
      for (const { type, data } of watcher.socket.take()) {
        const { userId } = Object(data);
        expect(["user_joined", "user_left"]).toContain(String(type));
        // Nobody joins twice, nobody leaves who was not there.
        expect(known.has(userId)).toBe(type === "user_left");
        if (type === "user_joined") known.add(userId);
        else known.delete(userId);
      }
      rig.receive(watcher.connection, { type: "presence", roomSlug: "r" });
      const [state] = watcher.socket.take();
      expect(state?.["userCount"]).toBe(known.size);
      const inRoom = USERS.filter((user) => open.get(user)?.some(({ connection }) => connection.rooms.length > 0));
      expect([...known].toSorted(compare)).toEqual(["watcher", ...inRoom].toSorted(compare));

      for (const connections of open.values()) for (const { socket } of connections) socket.end(1000);
      watcher.socket.end(1000);
      rig.tick(60);
      expect([rig.hub.rooms.size, rig.hub.rooms.memberships, rig.hub.users.size]).toEqual([0, 0, 0]);
      expect(USERS.filter((user) => rig.hub.users.get(user) !== undefined)).toEqual([]);
    }),
    { seed: SEED, numRuns: 200 },
  );
});

function compare(one: unknown, other: unknown): number {
  return String(one) < String(other) ? -1 : 1;
}
