import type { Principal } from "../protocol/principal.ts";
import type { Connection } from "./connection.ts";
import type { Hub } from "./hub.ts";
import { isAllowed } from "./permission.ts";
import { change } from "./recheck.ts";
import { greet } from "./session.ts";

/**
 * The last step of a connection that came with a good token: whoever may read the topic of the endpoint is greeted, everybody else is closed
 * 4003 without a frame. A promise only while the authorizer is asked, or the broker; then the connection's frames wait.
 */
export function enter(hub: Hub, connection: Connection, principal: Principal): void | Promise<void> {
  const { endpoint, topics } = connection;
  const [topic] = topics; // A row of the table has one at most.
  if (topic === undefined) return admit(hub, connection, principal);
  const isGranted =
    (endpoint.permission === null || hub.access.hasPermission(principal, endpoint.permission)) &&
    isAllowed(hub, connection, "read", topic);
  if (!(isGranted instanceof Promise)) return settle(hub, connection, principal, topic, isGranted);
  return isGranted.then((known) => settle(hub, connection, principal, topic, known));
}

function settle(
  hub: Hub,
  connection: Connection,
  principal: Principal,
  topic: string,
  isGranted: boolean,
): void | Promise<void> {
  // The peer may have gone, or the user's permissions may have changed, while somebody was asked: nobody who changes them finds it yet.
  if (connection.state === "gone") return;
  const now = hub.overrides.apply(connection.bearer ?? principal);
  if (now !== principal) {
    change(hub, connection, now);
    return enter(hub, connection, now);
  }
  if (isGranted) return admit(hub, connection, principal);
  hub.metrics.errors.add("FORBIDDEN");
  hub.trail.record("access.denied", connection, "refused", "FORBIDDEN", { topic });
  connection.close(4003);
}

function admit(hub: Hub, connection: Connection, principal: Principal): void | Promise<void> {
  connection.state = "open";
  hub.trail.accepted(connection);
  return greet(hub, connection, principal, connection.endpoint.greeting);
}
