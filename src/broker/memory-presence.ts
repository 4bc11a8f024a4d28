import type { WireUser } from "../protocol/server-frames.ts";
import type { PresenceStore } from "./broker.ts";

const NOBODY: readonly (readonly [string, WireUser])[] = [];

/** There are no other nodes. */
export class MemoryPresence implements PresenceStore {
  readonly isShared = false;

  open(): void {}

  follow(): void {}

  unfollow(): void {}

  joined(): void {}

  left(): void {}

  typing(): void {}

  elsewhere(): Iterable<readonly [id: string, user: WireUser]> {
    return NOBODY;
  }

  sweep(): void {}

  stop(): Promise<void> {
    return Promise.resolve();
  }
}
