import type { Address, Engine, EngineOptions, Handler, Socket } from "../../src/engine/engine.ts";

export interface EchoState {
  /** Messages that reached the application. */
  readonly received: number;
  /** What the engine reported. */
  readonly failures: readonly string[];
  /** Connections that were opened and not closed. */
  readonly open: number;
}

interface EchoSession {
  socket: Socket | null;
}

type CreateEngine = (options: EngineOptions, handler: Handler<EchoSession>) => Engine;

/** The engine with the least that can stand on it: every message goes back to its sender, `/refuse` is not upgraded. */
export async function startEchoOn(
  createEngine: CreateEngine,
  options: EngineOptions,
): Promise<{ address: Address; state: () => EchoState; stop: () => Promise<void> }> {
  let received = 0;
  const failures: string[] = [];
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
      received++;
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
      failures.push(String(error));
    },
  };
  const engine = createEngine(options, handler);
  const address = await engine.listen();
  return { address, state: () => ({ received, failures, open }), stop: () => engine.stop() };
}
