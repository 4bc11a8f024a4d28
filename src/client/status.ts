import type { Identity } from "./frame.ts";
import type { Why } from "./verdict.ts";

/** Where the connection stands. `attempt` counts from 0; a connection that held, `online` and `reconnectNow` begin it again. */
export type Status =
  | { readonly state: "connecting"; readonly attempt: number }
  | {
      readonly state: "connected";
      readonly connectionId: string | undefined;
      readonly nodeId: string | undefined;
      readonly user: Identity | undefined;
    }
  /** The next attempt is made at `until`, in milliseconds since 1970. */
  | { readonly state: "waiting"; readonly attempt: number; readonly until: number; readonly why: Why }
  /** For good, unless the node said stop and the application calls `reconnectNow`. */
  | ({ readonly state: "closed" } & Why);
