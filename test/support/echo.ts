import { createBunEngine } from "../../src/engine/bun.ts";
import type { EngineOptions, Handler, Socket } from "../../src/engine/engine.ts";

/** The engine with the least that can stand on it: every message goes back to its sender, `/refuse` is not upgraded. */
export interface EchoServer {
  readonly port: number;
  /** Every message that reached the application. */
  readonly received: readonly (string | Uint8Array)[];
  readonly failures: readonly unknown[];
  /** Connections that were opened and not closed. */
  readonly open: () => number;
  stop(): Promise<void>;
}

interface EchoSession {
  socket: Socket | null;
}

export async function startEcho(options: Partial<EngineOptions> = {}): Promise<EchoServer> {
  const received: (string | Uint8Array)[] = [];
  const failures: unknown[] = [];
  let open = 0;
  const handler: Handler<EchoSession> = {
    upgrade: ({ path }) => {
      if (path === "/refuse") return { status: 401, headers: {}, body: "refused" };
      return { session: { socket: null }, subprotocol: null };
    },
    open(socket, session) {
      session.socket = socket;
      open++;
    },
    malformed() {},
    abandoned() {},
    message(session, data) {
      received.push(data);
      session.socket?.send(data);
    },
    drain() {},
    pong() {},
    close() {
      open--;
    },
    fetch: async (request) => {
      // A body that is cut off or too large rejects; the engine has answered it already.
      await request.arrayBuffer().catch(() => null);
      return new Response("upgrade required", {
        status: 426,
        headers: { Upgrade: "websocket", "Sec-WebSocket-Version": "13" },
      });
    },
    failed(error) {
      failures.push(error);
    },
  };
  const engine = createBunEngine(
    {
      host: "127.0.0.1",
      port: 0,
      unixSocket: null,
      maxMessageBytes: 65_536,
      maxUnsentBytes: 1_048_576,
      maxBodyBytes: 65_536,
      ...options,
    },
    handler,
  );
  const { port } = await engine.listen();
  return { port, received, failures, open: () => open, stop: () => engine.stop() };
}
