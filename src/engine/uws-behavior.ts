import { CLOSES } from "../protocol/codes.ts";
import type { EngineOptions, Handler } from "./engine.ts";
import type { UwsBehavior, UwsWebSocket } from "./uws-package.ts";
import type { SocketData, UwsSocket } from "./uws-socket.ts";

type WebSocketOf<S> = UwsWebSocket<SocketData<S>>;

const NO_COMPRESSION = 0;

/** A fault of the application ends the connection that it was about. */
function failed<S>(handler: Handler<S>, socket: UwsSocket<S>, error: unknown): void {
  try {
    handler.failed(error);
    socket.close(1011, CLOSES[1011].name);
  } catch {
    socket.terminate();
  }
}

/** Once the upgrade is behind it. */
export function openSocket<S>(handler: Handler<S>, socket: UwsSocket<S>): void {
  try {
    if (socket.open()) handler.open(socket, socket.session);
  } catch (error) {
    failed(handler, socket, error);
  }
}

/** What uWebSockets.js calls for its WebSockets. `sockets` are those that are open. A throw would end the process: none leaves here. */
export function behaviorOf<S>(
  handler: Handler<S>,
  { maxMessageBytes, maxUnsentBytes }: EngineOptions,
  sockets: Set<UwsSocket<S>>,
): Omit<UwsBehavior<SocketData<S>>, "upgrade"> {
  const fail = (socket: UwsSocket<S>, error: unknown): void => failed(handler, socket, error);
  const heard = (ws: WebSocketOf<S>): void => {
    const socket = ws.getUserData().socket;
    try {
      handler.pong(socket.session);
    } catch (error) {
      fail(socket, error);
    }
  };
  return {
    maxPayloadLength: maxMessageBytes,
    maxBackpressure: maxUnsentBytes,
    // Without it messages over the limit are left out and later ones delivered.
    closeOnBackpressureLimit: true,
    compression: NO_COMPRESSION,
    // Sending re-arms the engine's timer, so it does not end a dead peer: the heartbeat is the hub's.
    idleTimeout: 0,
    sendPingsAutomatically: false,
    open(ws) {
      const socket = ws.getUserData().socket;
      socket.attach(ws);
      sockets.add(socket);
    },
    message(ws, message, isBinary) {
      const socket = ws.getUserData().socket;
      try {
        // The bytes are gone once this returns: both are copies.
        const data = isBinary ? new Uint8Array(message.slice(0)) : Buffer.from(message).toString();
        handler.message(socket.session, data);
      } catch (error) {
        fail(socket, error);
      }
    },
    drain(ws) {
      const socket = ws.getUserData().socket;
      try {
        handler.drain(socket.session);
      } catch (error) {
        fail(socket, error);
      }
    },
    ping: heard,
    pong: heard,
    close(ws, code, reason) {
      const socket = ws.getUserData().socket;
      socket.detach();
      sockets.delete(socket);
      try {
        if (socket.isOpen) handler.close(socket.session, code, Buffer.from(reason).toString());
        else handler.abandoned(socket.session);
      } catch (error) {
        fail(socket, error);
      }
    },
  };
}
