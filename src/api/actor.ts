import type { Actor } from "../hub/audit-trail.ts";
import type { Incoming } from "./route.ts";

/** Who gives an order over HTTP, for the audit log. */
export function actorOf({ caller, client, request }: Pick<Incoming, "caller" | "client" | "request">): Actor {
  return {
    by: caller.kind === "user" ? "token" : "key",
    userId: caller.kind === "user" ? caller.principal.id : null,
    address: client.address,
    userAgent: request.headers.get("user-agent"),
  };
}
