import type { Connection } from "./connection.ts";
import type { Hub } from "./hub.ts";

/** What is prepared for one connection keeps to the pace at which it reads. */

/** More than half of the bound is unsent: a large answer now could end the connection for no fault of its own. */
export function isCongested(hub: Hub, connection: Connection): boolean {
  return connection.socket.bufferedBytes > hub.options.maxUnsentBytes / 2;
}

/** Settles once at most half of the bound is unsent, or the connection has ended. One wait at a time for each connection. */
export function relieved(hub: Hub, connection: Connection): Promise<void> {
  return new Promise((resolve) => {
    connection.onDrain = () => {
      if (connection.state !== "gone" && isCongested(hub, connection)) return;
      connection.onDrain = null;
      resolve();
    };
  });
}

/** The same, without a promise where nothing has to wait. */
export function afterRelief(hub: Hub, connection: Connection): void | Promise<void> {
  if (isCongested(hub, connection)) return relieved(hub, connection);
}
