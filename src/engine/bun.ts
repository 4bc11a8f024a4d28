import { CLOSES, ERRORS } from "../protocol/codes.ts";
import { acceptHeaders, refused, RequestHandshake, RequestPeer, withHost } from "./bun-request.ts";
import { BunSocket } from "./bun-socket.ts";
import type { Accept, Address, Engine, EngineOptions, Frame, Handler, Refuse } from "./engine.ts";
import { listenFailure, urlHost } from "./listen-failure.ts";
import { REQUEST_TIMEOUT_S } from "./request-timeout.ts";
import { removeStaleSocket } from "./unix-socket.ts";
import { isWellFormedHost, listsToken, refusalOf } from "./upgrade-check.ts";

type BunServer<S> = Bun.Server<BunSocket<S>>;

/**
 * The engine on Bun.serve, which is uWebSockets compiled into Bun. `listen` rejects with an `Error` that names the address; a Unix
 * socket file that a dead process left behind is replaced.
 */
export function createBunEngine<S>(options: EngineOptions, handler: Handler<S>): Engine {
  return new BunEngine(options, handler);
}

class BunEngine<S> implements Engine {
  readonly name = `bun ${Bun.version}`;
  readonly #options: EngineOptions;
  readonly #handler: Handler<S>;
  #server: BunServer<S> | null = null;

  constructor(options: EngineOptions, handler: Handler<S>) {
    this.#options = options;
    this.#handler = handler;
  }

  async listen(): Promise<Address> {
    const { host, port, unixSocket } = this.#options;
    if (unixSocket !== null) await removeStaleSocket(unixSocket);
    try {
      const server = this.#serve();
      this.#server = server;
      if (unixSocket !== null) return { url: `unix:${unixSocket}`, port: 0 };
      return { url: `http://${urlHost(host)}:${server.port}`, port: server.port ?? 0 };
    } catch (error) {
      const where = unixSocket === null ? `${urlHost(host)}:${port}` : `unix:${unixSocket}`;
      throw new Error(`cannot listen on ${where}: ${listenFailure(error)}`, { cause: error });
    }
  }

  publish(topic: string, frame: Frame): void {
    this.#server?.publish(topic, frame, false);
  }

  closeIdle(): void {
    this.#server?.closeIdleConnections();
  }

  async stop(): Promise<void> {
    await this.#server?.stop(true);
  }

  #serve(): BunServer<S> {
    const { host, port, unixSocket, maxBodyBytes } = this.#options;
    const http = {
      // Its error pages show source code; it is on unless NODE_ENV is "production".
      development: false,
      maxRequestBodySize: maxBodyBytes,
      fetch: (request: Request, server: BunServer<S>) => this.#answer(request, server),
      error: (error: unknown) => this.#internalError(error),
      websocket: this.#websocket(),
    };
    // There Bun takes no `idleTimeout` and keeps its default of 10 s.
    if (unixSocket !== null) return Bun.serve({ ...http, unix: unixSocket });
    // Without `reusePort: false` a second process binds the same port and takes half of the connections.
    return Bun.serve({ ...http, hostname: host, port, reusePort: false, idleTimeout: REQUEST_TIMEOUT_S });
  }

  #websocket(): Bun.WebSocketHandler<BunSocket<S>> {
    const handler = this.#handler;
    const { maxMessageBytes, maxUnsentBytes } = this.#options;
    const fail = (socket: BunSocket<S>, error: unknown): void => {
      try {
        handler.failed(error);
      } finally {
        socket.close(1011, CLOSES[1011].name);
      }
    };
    const heard = (ws: Bun.ServerWebSocket<BunSocket<S>>): void => {
      try {
        handler.pong(ws.data.session);
      } catch (error) {
        fail(ws.data, error);
      }
    };
    return {
      maxPayloadLength: maxMessageBytes,
      backpressureLimit: maxUnsentBytes,
      // Without it messages over the limit are left out and later ones delivered.
      closeOnBackpressureLimit: true,
      perMessageDeflate: false,
      publishToSelf: false,
      // Sending re-arms the engine's timer, so it does not end a dead peer: the heartbeat is the hub's.
      idleTimeout: 0,
      sendPings: false,
      open(ws) {
        const socket = ws.data;
        socket.attach(ws);
        try {
          handler.open(socket, socket.session);
        } catch (error) {
          fail(socket, error);
        }
      },
      message(ws, data) {
        const socket = ws.data;
        try {
          handler.message(socket.session, data);
        } catch (error) {
          fail(socket, error);
        }
      },
      drain(ws) {
        const socket = ws.data;
        try {
          handler.drain(socket.session);
        } catch (error) {
          fail(socket, error);
        }
      },
      ping: heard,
      pong: heard,
      close(ws, code, reason) {
        const socket = ws.data;
        socket.detach();
        try {
          handler.close(socket.session, code, reason);
        } catch (error) {
          handler.failed(error);
        }
      },
      // Only a throw of `failed` itself comes here. Without this handler it would end the process.
      error(_error, ws) {
        ws.terminate();
      },
    };
  }

  #answer(request: Request, server: BunServer<S>): Response | undefined | Promise<Response | undefined> {
    const upgrade = request.headers.get("upgrade");
    if (listsToken(upgrade, "websocket")) return this.#upgrade(request, server);
    if (upgrade === null) return this.#fetch(request, server);
    return this.#fetchThenClose(request, server);
  }

  /** Synchronous unless the handler is: Bun drops frames that arrive behind a handshake which waits. */
  #upgrade(request: Request, server: BunServer<S>): Response | undefined | Promise<Response | undefined> {
    try {
      const handshake = new RequestHandshake(request, server.requestIP(request)?.address ?? "");
      const refusal = refusalOf(request.method, handshake);
      if (refusal !== null) {
        this.#handler.malformed(handshake, refusal.status);
        return refused(refusal);
      }
      const answer = this.#handler.upgrade(handshake);
      if (answer instanceof Promise) return this.#settleLater(request, server, answer);
      return this.#settle(request, server, answer);
    } catch (error) {
      return this.#internalError(error);
    }
  }

  async #settleLater(
    request: Request,
    server: BunServer<S>,
    answer: Promise<Accept<S> | Refuse>,
  ): Promise<Response | undefined> {
    try {
      return this.#settle(request, server, await answer);
    } catch (error) {
      return this.#internalError(error);
    }
  }

  #settle(request: Request, server: BunServer<S>, answer: Accept<S> | Refuse): Response | undefined {
    if (!("session" in answer)) return refused(answer);
    let upgraded = false;
    try {
      upgraded = server.upgrade(request, { data: new BunSocket(answer.session), headers: acceptHeaders(answer) });
    } finally {
      // False: the peer went away, or sent frames before the 101. A throw: a header that cannot be sent.
      if (!upgraded) this.#handler.abandoned(answer.session);
    }
    return upgraded ? undefined : refused({ status: 400, headers: {}, body: ERRORS.BAD_REQUEST.text });
  }

  #fetch(request: Request, server: BunServer<S>): Response | Promise<Response> {
    const host = request.headers.get("host") ?? "";
    // RFC 9112 section 3.2: a malformed Host and a second one are answered 400.
    if (host !== "" && !isWellFormedHost(host)) {
      return refused({ status: 400, headers: {}, body: ERRORS.BAD_REQUEST.text });
    }
    try {
      const peer = new RequestPeer(server, request);
      // Health checks come without a host (HTTP/1.0): then `request.url` is a bare path, which no URL parser takes.
      const answer = this.#handler.fetch(host === "" ? withHost(request) : request, peer);
      return answer instanceof Promise ? answer.catch((error: unknown) => this.#internalError(error)) : answer;
    } catch (error) {
      return this.#internalError(error);
    }
  }

  /** Also an upgrade to another protocol: a proxy may have switched before it saw the refusal. */
  async #fetchThenClose(request: Request, server: BunServer<S>): Promise<Response> {
    const answer = await this.#fetch(request, server);
    const headers = new Headers(answer.headers);
    headers.set("Connection", "close");
    return new Response(answer.body, { status: answer.status, headers });
  }

  #internalError(error: unknown): Response {
    this.#handler.failed(error);
    return refused({ status: ERRORS.INTERNAL.status, headers: {}, body: ERRORS.INTERNAL.text });
  }
}
