import type { GrantedAction } from "../protocol/principal.ts";

interface Grant {
  readonly actions: readonly GrantedAction[];
  /** Wall clock; infinite for what the backend gave. */
  readonly untilMs: number;
}

/** Access to single topics that one connection has beside what its token says: from the token of a `subscribe`, or from the backend. */
export class Grants {
  readonly #byTopic = new Map<string, Grant>();

  get size(): number {
    return this.#byTopic.size;
  }

  set(topic: string, actions: readonly GrantedAction[], untilMs: number): void {
    this.#byTopic.set(topic, { actions, untilMs });
  }

  delete(topic: string): void {
    this.#byTopic.delete(topic);
  }

  has(topic: string, action: GrantedAction, nowMs: number): boolean {
    const grant = this.#byTopic.get(topic);
    return grant !== undefined && nowMs < grant.untilMs && grant.actions.includes(action);
  }

  /** Forgets what has ended, and says which topics that was. */
  expire(nowMs: number): string[] {
    const ended = [...this.#byTopic].filter(([, { untilMs }]) => untilMs <= nowMs).map(([topic]) => topic);
    for (const topic of ended) this.#byTopic.delete(topic);
    return ended;
  }
}
