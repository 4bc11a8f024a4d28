import type { Authenticator } from "./auth/authenticate.ts";
import type { NodeTimes } from "./broker/redis-nodes.ts";
import type { Config } from "./config.ts";
import type { Application } from "./hub/application.ts";
import type { Authorizer } from "./hub/permission.ts";
import type { Clock } from "./observe/clock.ts";

/** Where the parts of a node can be replaced, for embedding and for tests. */
export interface NodeParts {
  readonly clock?: Clock;
  /** Where the log goes: a file descriptor or a path. */
  readonly logTarget?: number | string;
  /** Other leases and waits than those of a node, for tests. */
  readonly nodeTimes?: Partial<NodeTimes>;
  readonly application?: (ports: EmbeddingPorts) => Embedding;
}

/** What the functions of an application are called with, beside the node's own parts. */
export interface EmbeddingPorts {
  readonly config: Config;
  readonly clock: Clock;
  readonly report: (error: unknown, correlationId: string) => void;
}

/** What an application does in the node's stead. */
export interface Embedding {
  /** Null: what `AUTHORIZER_URL` says, if anything. */
  readonly authorizer: Authorizer | null;
  /** Around the node's own, which still redeems tickets. */
  readonly authenticator: (own: Authenticator) => Authenticator;
  readonly application: Application | null;
}

/** A node by itself. */
export const BY_ITSELF: Embedding = {
  authorizer: null,
  authenticator: (own) => own,
  application: null,
};
