import type { Clock } from "../observe/clock.ts";
import { acceptedUntilMs } from "../protocol/principal.ts";
import type { AuthSession } from "./auth-session.ts";
import { type AuthorizedSocket, isOpen } from "./authorized-socket.ts";

interface Watched {
  readonly ws: AuthorizedSocket;
  readonly session: AuthSession;
}

export interface ExpiryPorts {
  readonly clock: Clock;
  /** How far the issuer's clock may be off. */
  readonly clockToleranceS: number;
  /** The topic was subscribed to by a token that has ended. */
  readonly grantEnded: (ws: AuthorizedSocket, session: AuthSession, topic: string) => void;
}

const SWEEP_MS = 1_000;

/**
 * The end of tokens on sockets that are subscribed to something: nothing else would keep them from receiving. One timer while there are
 * any; a socket that has closed is let go at the next sweep.
 */
export class ExpiryWatch {
  readonly #ports: ExpiryPorts;
  readonly #watched = new Set<Watched>();
  #isRunning = false;

  constructor(ports: ExpiryPorts) {
    this.#ports = ports;
  }

  get size(): number {
    return this.#watched.size;
  }

  add(ws: AuthorizedSocket, session: AuthSession): void {
    if (session.isWatched || (session.principal.expiresAtMs === null && session.grants === null)) return;
    session.isWatched = true;
    this.#watched.add({ ws, session });
    if (!this.#isRunning) this.#run();
  }

  hasEnded({ principal }: AuthSession): boolean {
    const { clock, clockToleranceS } = this.#ports;
    return clock.now() >= acceptedUntilMs(principal, clockToleranceS);
  }

  #run(): void {
    this.#isRunning = true;
    this.#ports.clock.after(SWEEP_MS, () => {
      this.#isRunning = false;
      for (const watched of this.#watched) this.#look(watched);
      if (this.#watched.size > 0) this.#run();
    });
  }

  #look(watched: Watched): void {
    const { ws, session } = watched;
    if (isOpen(ws) && !this.hasEnded(session)) {
      const ended = session.grants?.expire(this.#ports.clock.now()) ?? [];
      for (const topic of ended) this.#ports.grantEnded(ws, session, topic);
      return;
    }
    this.#watched.delete(watched);
    if (isOpen(ws)) ws.close(4001, "TOKEN_EXPIRED");
  }
}
