import { nameOf } from "../protocol/topic.ts";
import type { Connection } from "./connection.ts";
import type { Endpoint } from "./endpoints.ts";
import type { Hub } from "./hub.ts";

/** How many connections, users and rooms there are: gone through when somebody asks, so that nothing is counted per message. */

export type ConnectionTypes = Readonly<Record<Endpoint["countedAs"], number>>;

interface Counted {
  readonly active_connections: number;
  readonly unique_users: number;
  readonly connection_types: ConnectionTypes;
}

export interface ConnectionStats {
  /** Connections that have not authenticated yet included. */
  readonly websocket_manager: Counted;
  readonly authentication: Counted & { readonly max_connections_per_user: number };
  readonly security: {
    readonly authenticated_connections: number;
    readonly unique_authenticated_users: number;
    readonly max_connections_per_user: number;
  };
}

export interface RoomStats {
  readonly totalConnections: number;
  readonly totalRooms: number;
  /** The largest first, 1,000 at most. */
  readonly rooms: readonly { readonly slug: string; readonly userCount: number }[];
}

const MAX_LISTED_ROOMS = 1_000;

export function connectionStats(hub: Hub): ConnectionStats {
  const all = [...hub.connections];
  const authenticated = all.filter(({ principal }) => principal !== null);
  const max_connections_per_user = hub.options.maxConnectionsPerUser;
  const counted = countOf(authenticated);
  return {
    websocket_manager: countOf(all),
    authentication: { ...counted, max_connections_per_user },
    security: {
      authenticated_connections: counted.active_connections,
      unique_authenticated_users: counted.unique_users,
      max_connections_per_user,
    },
  };
}

function countOf(connections: readonly Connection[]): Counted {
  const users = new Set<string>();
  const connection_types = { general: 0, conversation: 0, web3: 0 };
  for (const { principal, endpoint } of connections) {
    if (principal !== null) users.add(principal.id);
    connection_types[endpoint.countedAs] += 1;
  }
  return { active_connections: connections.length, unique_users: users.size, connection_types };
}

export function roomStats(hub: Hub): RoomStats {
  const rooms = [];
  for (const room of hub.rooms.values()) {
    if (room.slug !== null) rooms.push({ slug: nameOf(room.topic), userCount: hub.presence.count(room) });
  }
  return {
    totalConnections: hub.connections.size,
    totalRooms: rooms.length,
    rooms: rooms.toSorted((a, b) => b.userCount - a.userCount).slice(0, MAX_LISTED_ROOMS),
  };
}
