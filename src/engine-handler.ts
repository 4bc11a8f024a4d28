import type { Api } from "./api/app.ts";
import type { Handler } from "./engine/engine.ts";
import { awake } from "./hub/awake.ts";
import type { Connection } from "./hub/connection.ts";
import type { Handshakes } from "./hub/handshakes.ts";
import type { Hub } from "./hub/hub.ts";

/** What the engine calls, and who answers. */
export function handlerOf(
  hub: Hub,
  handshakes: Handshakes,
  api: Api,
  report: (error: unknown, correlationId: string) => void,
): Handler<Connection> {
  return {
    upgrade: (handshake) => handshakes.upgrade(handshake),
    malformed: (handshake, status) => handshakes.malformed(handshake, status),
    open: (socket, connection) => hub.open(socket, connection),
    abandoned: (connection) => hub.abandoned(connection),
    message: (connection, data) => hub.message(connection, data),
    drain: (connection) => hub.drain(connection),
    pong: (connection) => hub.pong(connection),
    close: (connection, code) => hub.close(connection, code),
    fetch(request, peer) {
      awake(hub);
      return api.fetch(request, peer);
    },
    failed: (error) => report(error, crypto.randomUUID()),
  };
}
