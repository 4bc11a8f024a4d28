import type { Access } from "../access.ts";
import type { Authenticator } from "../auth/authenticate.ts";
import type { Broker, PermissionStore, PresenceStore, RevocationStore } from "../broker/broker.ts";
import type { Engine } from "../engine/engine.ts";
import type { Audit } from "../observe/audit.ts";
import type { Clock } from "../observe/clock.ts";
import type { Metrics } from "../observe/metrics.ts";
import type { Application } from "./application.ts";
import type { HeartbeatOptions } from "./heartbeat.ts";
import type { Authorizer } from "./permission.ts";

/** What a hub is made of: the settings that it goes by, and the parts that it calls. */

export interface HubOptions extends HeartbeatOptions {
  readonly nodeId: string;
  readonly maxMessageBytes: number;
  readonly maxTopicsPerConnection: number;
  readonly maxConnectionsPerUser: number;
  readonly maxUnsentBytes: number;
  readonly maxTotalUnsentBytes: number;
  readonly messagesPerSecond: number;
  readonly messageBurst: number;
  readonly joinsPerSecond: number;
  readonly joinBurst: number;
  readonly authDeadlineMs: number;
  readonly maxPendingConnections: number;
  readonly presenceFullMax: number;
  readonly presenceGraceMs: number;
  readonly clockToleranceS: number;
  readonly maxTokenLifetimeS: number | null;
}

export interface HubPorts {
  readonly engine: Pick<Engine, "publish">;
  readonly broker: Broker;
  /** Who is on the other nodes. */
  readonly presence: PresenceStore;
  readonly access: Access;
  readonly authenticator: Authenticator;
  /** What the authenticator refuses by. */
  readonly revocations: RevocationStore;
  readonly permissions: PermissionStore;
  readonly audit: Audit;
  readonly metrics: Metrics;
  readonly clock: Clock;
  /** Writes a fault of ours to the log. */
  readonly report: (error: unknown, correlationId: string) => void;
  /** Runs something in the next turn of the event loop. */
  readonly later: (run: () => void) => void;
  /** Null: the rules alone decide. */
  readonly authorizer: Authorizer | null;
  /** Absent: a node by itself. */
  readonly application?: Application | null;
}
