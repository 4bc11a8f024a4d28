import type { Why } from "./verdict.ts";

/** Who the token says that this is. */
export interface Identity {
  readonly id: string | number;
  readonly username: string;
  readonly name: string;
  readonly roles: readonly string[];
  readonly permissions: readonly string[];
}

/** Where the connection stands. */
export type Status =
  | { readonly state: "connecting"; readonly attempt: number }
  | {
      readonly state: "connected";
      readonly connectionId: string;
      readonly nodeId: string;
      readonly user: Identity;
      /** When the token ends, in milliseconds since 1970; null when it does not. */
      readonly expiresAt: number | null;
    }
  /** The next attempt is made at `until`, in milliseconds since 1970. */
  | { readonly state: "waiting"; readonly attempt: number; readonly until: number; readonly why: Why }
  /** For good, unless the node said stop and the application calls `reconnectNow`. */
  | ({ readonly state: "closed" } & Why);
