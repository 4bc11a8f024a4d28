import type { GrantedAction } from "../protocol/principal.ts";

/** The backend's word goes before every rule; a token's is what its issuer granted by name, for the rules that ask for that. */
export type Grantor = "backend" | "token";

export interface Grant {
  readonly actions: readonly GrantedAction[];
  /** Wall clock; infinite for what does not end by itself. */
  readonly untilMs: number;
}

/**
 * Access to single topics that one connection has beside what its token says: from the backend, or from the token of a `subscribe`. A grant
 * is kept while the connection is in the topic, so there are no more than topics.
 */
export class Grants {
  readonly #byBackend = new Map<string, Grant>();
  readonly #byToken = new Map<string, Grant>();

  get size(): number {
    return this.#byBackend.size + this.#byToken.size;
  }

  /** By the backend. */
  set(topic: string, actions: readonly GrantedAction[], untilMs: number): void {
    this.#byBackend.set(topic, { actions, untilMs });
  }

  /** What the last token granted is replaced; undefined takes it away. Returns what it was. */
  setByToken(topic: string, grant: Grant | undefined): Grant | undefined {
    const before = this.#byToken.get(topic);
    if (grant === undefined) this.#byToken.delete(topic);
    else this.#byToken.set(topic, grant);
    return before;
  }

  delete(topic: string): void {
    this.#byBackend.delete(topic);
    this.#byToken.delete(topic);
  }

  /** Who grants the action; null: nobody. */
  find(topic: string, action: GrantedAction, nowMs: number): Grantor | null {
    if (allows(this.#byBackend.get(topic), action, nowMs)) return "backend";
    return allows(this.#byToken.get(topic), action, nowMs) ? "token" : null;
  }

  /** Forgets what has ended, and says which topics that was. */
  expire(nowMs: number): string[] {
    const ended: string[] = [];
    for (const grants of [this.#byBackend, this.#byToken]) {
      for (const [topic, { untilMs }] of grants) {
        if (untilMs > nowMs) continue;
        grants.delete(topic);
        ended.push(topic);
      }
    }
    return ended;
  }
}

function allows(grant: Grant | undefined, action: GrantedAction, nowMs: number): boolean {
  return grant !== undefined && nowMs < grant.untilMs && grant.actions.includes(action);
}
