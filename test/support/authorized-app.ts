import type { Server } from "bun";
import { createWebSocketAuth, type WebSocketAuth, type WebSocketAuthOptions } from "../../src/index.ts";
import type { UpgradeRequest } from "./http.ts";
import { type JsonObject, RawPeer } from "./peer.ts";

interface Data {
  readonly request: Request;
}

/** An application with a WebSocket server of its own, which asks Tautline who connects and what they may do. */
export class AuthorizedApp {
  readonly auth: WebSocketAuth;
  readonly #server: Server<Data>;
  readonly #peers: RawPeer[] = [];

  /** `others` gets the messages that are none of those which are handled; without it they are answered with an error. */
  constructor(options: WebSocketAuthOptions, others: ((message: unknown) => object) | null = null) {
    const auth = createWebSocketAuth({ logTarget: "/dev/null", ...options });
    this.auth = auth;
    this.#server = Bun.serve<Data>({
      port: 0,
      hostname: "127.0.0.1",
      async fetch(request, server) {
        const headers: Record<string, string> = {};
        const refusal = await auth.authenticateConnection({ request, server, set: { headers } });
        if (refusal !== undefined) return refusal;
        return server.upgrade(request, { data: { request }, headers })
          ? undefined
          : new Response(null, { status: 400 });
      },
      websocket: {
        async message(ws, text) {
          const message: unknown = JSON.parse(String(text));
          if (others === null) return auth.authorizeMessage(ws, message);
          const outcome = await auth.handleMessage(ws, message);
          if (outcome === "other") ws.send(JSON.stringify(others(message)));
        },
      },
    });
  }

  publish(topic: string, event: object): void {
    this.#server.publish(topic, JSON.stringify(event));
  }

  async upgrade(
    request: UpgradeRequest,
  ): Promise<{ peer: RawPeer; status: number; body: JsonObject; protocol: unknown }> {
    const peer = await RawPeer.connect(this.#server.port ?? 0, "127.0.0.1", { conforms: false });
    this.#peers.push(peer);
    const { status, body, headers } = await peer.upgrade(request);
    const protocol = headers.get("sec-websocket-protocol")?.[0];
    return { peer, status, body: status === 101 ? {} : JSON.parse(body), protocol };
  }

  async connect(token: string): Promise<RawPeer> {
    const { peer, status } = await this.upgrade({ path: `/realtime?token=${token}` });
    if (status !== 101) throw new Error(`the upgrade was answered ${status}`);
    return peer;
  }

  async stop(): Promise<void> {
    for (const peer of this.#peers) peer.destroy();
    await this.#server.stop(true);
  }
}
