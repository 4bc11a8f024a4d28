import type { Place } from "./history.ts";

/** What a client knows of one of its rooms. It outlives connections. */
export class Membership {
  readonly slug: string;
  readonly topic: string;
  /** Of the last message that came, or of the answer to the first join; null before that. */
  position: Place | null = null;
  /** Where the join that is not answered yet asked to go on. */
  since: Place | null = null;
  isMember = false;
  /** When it last asked to leave. */
  leaveAskedMs = 0;
  /** The node has confirmed that this client left, and not yet that it is back: nothing may come. */
  isOutside = false;
  /** Who is there, for a client that watches; null until it has read the list. */
  users: Set<string> | null = null;

  constructor(slug: string) {
    this.slug = slug;
    this.topic = `room:${slug}`;
  }

  /** False where it is known already. */
  moveTo(place: Place): boolean {
    const { position } = this;
    if (position !== null && position.epoch === place.epoch && place.offset <= position.offset) return false;
    this.position = place;
    return true;
  }

  hasReached(place: Place): boolean {
    const { position } = this;
    return position !== null && position.epoch === place.epoch && position.offset >= place.offset;
  }

  connectionLost(): void {
    this.isMember = false;
    this.isOutside = false;
    this.users = null;
  }
}
