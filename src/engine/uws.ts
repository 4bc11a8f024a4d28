import { rmSync } from "node:fs";
import { createServer } from "node:net";
import type { Address, Engine, EngineOptions, Frame, Handler } from "./engine.ts";
import { listenFailure, urlHost } from "./listen-failure.ts";
import { removeStaleSocket } from "./unix-socket.ts";
import { behaviorOf } from "./uws-behavior.ts";
import { SWEEP_S } from "./uws-exchange.ts";
import { loadUws, type UwsApp, type UwsListener, type UwsPackage } from "./uws-package.ts";
import { Requests } from "./uws-requests.ts";
import type { SocketData, UwsSocket } from "./uws-socket.ts";

/** How long answers end their connections after `closeIdle`: as long as the package leaves one open that waits for a request. */
const CLOSE_IDLE_MS = 10_000;

/**
 * The engine on uWebSockets.js, for Node. `listen` rejects with an `Error` that names the address, or what is to be installed; a Unix socket
 * file that a dead process left behind is replaced.
 */
export function createUwsEngine<S>(options: EngineOptions, handler: Handler<S>): Engine {
  return new UwsEngine(options, handler);
}

class UwsEngine<S> implements Engine {
  readonly name = `uWebSockets.js on Node ${process.versions.node}`;
  readonly #options: EngineOptions;
  readonly #handler: Handler<S>;
  readonly #requests: Requests<S>;
  readonly #sockets = new Set<UwsSocket<S>>();
  #app: UwsApp | null = null;
  #closeListener: (() => void) | null = null;
  #sweep: NodeJS.Timeout | undefined;
  #closingIdle: NodeJS.Timeout | undefined;

  constructor(options: EngineOptions, handler: Handler<S>) {
    this.#options = options;
    this.#handler = handler;
    this.#requests = new Requests(handler, options);
  }

  async listen(): Promise<Address> {
    const { host, port, unixSocket } = this.#options;
    const uws = loadUws();
    const where = unixSocket === null ? `${urlHost(host)}:${port}` : `unix:${unixSocket}`;
    // The package would take the file away from who listens there.
    if (unixSocket !== null) await removeStaleSocket(unixSocket);
    const failure = unixSocket === null ? null : await bindFailure(this.#options);
    const app = this.#createApp(uws);
    const listener = failure === null ? this.#bind(uws, app) : null;
    if (listener === null) {
      const error = failure ?? (await bindFailure(this.#options));
      throw new Error(`cannot listen on ${where}: ${listenFailure(error)}`, { cause: error });
    }
    this.#app = app;
    this.#closeListener = () => uws.closeListener(listener);
    this.#sweep = setInterval(() => {
      for (const exchange of this.#requests.open) exchange.sweep();
    }, SWEEP_S * 1_000);
    if (unixSocket !== null) return { url: where, port: 0 };
    const bound = uws.portOf(listener);
    return { url: `http://${urlHost(host)}:${bound}`, port: bound };
  }

  publish(topic: string, frame: Frame): void {
    this.#app?.publish(topic, frame, typeof frame !== "string");
  }

  /** The package does not tell which connections are idle, and ends them itself after ten seconds: until then no new ones are left. */
  closeIdle(): void {
    this.#requests.endConnections(true);
    clearTimeout(this.#closingIdle);
    this.#closingIdle = setTimeout(() => this.#requests.endConnections(false), CLOSE_IDLE_MS).unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.#sweep);
    clearTimeout(this.#closingIdle);
    const app = this.#app;
    if (app === null) return;
    this.#app = null;
    this.#closeListener?.();
    for (const socket of this.#sockets) socket.close(1001, "");
    for (const exchange of this.#requests.open) exchange.close();
    // The close frames go out at the end of this turn.
    await new Promise((resolve) => setImmediate(resolve));
    app.close();
    const { unixSocket } = this.#options;
    if (unixSocket !== null) rmSync(unixSocket, { force: true });
  }

  #createApp(uws: UwsPackage): UwsApp {
    const app = uws.createApp();
    app.ws<SocketData<S>>("/*", {
      ...behaviorOf(this.#handler, this.#options, this.#sockets),
      upgrade: (response, request, context) => this.#requests.answer(response, request, context),
    });
    app.any("/*", (response, request) => this.#requests.answer(response, request, null));
    return app;
  }

  /** Null when the package could not; it does not say why. */
  #bind(uws: UwsPackage, app: UwsApp): UwsListener | null {
    const { host, port, unixSocket } = this.#options;
    let bound: UwsListener | null = null;
    const onListen = (listener: UwsListener | false): void => {
      bound = listener === false ? null : listener;
    };
    if (unixSocket === null) app.listen(host, port, uws.exclusivePort, onListen);
    else app.listen_unix(onListen, unixSocket);
    return bound;
  }
}

/** What Node says of the same address; null when nothing is wrong there. */
function bindFailure({ host, port, unixSocket }: EngineOptions): Promise<Error | null> {
  const probe = createServer();
  return new Promise((resolve) => {
    probe.once("error", resolve);
    probe.listen(unixSocket === null ? { host, port } : { path: unixSocket }, () => probe.close(() => resolve(null)));
  });
}
