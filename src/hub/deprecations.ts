import type { Endpoint } from "./endpoints.ts";

const MESSAGE = "a deprecated endpoint is in use";

/** Users that are remembered; the oldest go first, and are told of again when they come again. */
const MAX_USERS = 10_000;

/** Tells which users still come by a deprecated endpoint: once each. */
export class Deprecations {
  readonly #warn: (fields: object, message: string) => void;
  readonly #maxUsers: number;
  readonly #told = new Set<string>();

  constructor(warn: (fields: object, message: string) => void, maxUsers = MAX_USERS) {
    this.#warn = warn;
    this.#maxUsers = maxUsers;
  }

  used({ path }: Endpoint, userId: string): void {
    const use = `${path} ${userId}`;
    if (this.#told.has(use)) return;
    for (const oldest of this.#told) {
      if (this.#told.size < this.#maxUsers) break;
      this.#told.delete(oldest);
    }
    this.#told.add(use);
    this.#warn({ endpoint: path, userId }, MESSAGE);
  }
}
