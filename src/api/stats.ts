import * as v from "valibot";
import type { ConnectionStats, RoomStats } from "../hub/stats.ts";
import { count } from "../protocol/fields.ts";
import { NOTHING, type Route, route } from "./route.ts";

export interface StatsPorts {
  readonly connections: () => ConnectionStats;
  readonly rooms: () => RoomStats;
}

const Counted = {
  active_connections: count,
  unique_users: count,
  connection_types: v.strictObject({ general: count, conversation: count, web3: count }),
};

const ConnectionsAnswer = v.strictObject({
  success: v.literal(true),
  stats: v.strictObject({
    websocket_manager: v.strictObject(Counted),
    authentication: v.strictObject({ ...Counted, max_connections_per_user: count }),
    security: v.strictObject({
      authenticated_connections: count,
      unique_authenticated_users: count,
      max_connections_per_user: count,
    }),
  }),
  /** Seconds since 1970, with a fraction. */
  timestamp: v.number(),
});

const RoomsAnswer = v.strictObject({
  totalConnections: count,
  totalRooms: count,
  rooms: v.array(v.strictObject({ slug: v.string(), userCount: count })),
});

export function statsRoutes(stats: StatsPorts, now: () => number): Route[] {
  return [
    route({
      method: "GET",
      path: "/ws/stats",
      access: "monitor",
      summary: "Connections and users of this node; with `format=rooms` its rooms, the largest 1,000 of them.",
      params: NOTHING,
      query: v.object({ format: v.optional(v.literal("rooms")) }),
      body: null,
      answers: { 200: { what: "the statistics of this moment", schema: v.union([ConnectionsAnswer, RoomsAnswer]) } },
      handle({ query }) {
        if (query.format === "rooms") return Response.json(stats.rooms());
        return Response.json({ success: true, stats: stats.connections(), timestamp: now() / 1_000 });
      },
    }),
  ];
}
