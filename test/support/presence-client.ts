type Fields = Readonly<Record<string, unknown>>;

/** What a client knows of the users of one room that does as docs/protocol.md says, "Presence". */
export class PresenceClient {
  count = 0;
  /** Null before it has read the users, and once a frame has told that it does not name all who came and went. */
  users: Set<unknown> | null = null;
  readonly types: string[] = [];
  /** The cursor of a list that is not read to its end; null when none is being read. */
  next: unknown = null;
  #isReading = false;

  /** A `presence` frame for the first page is on its way. */
  startReading(): void {
    this.#isReading = true;
    this.next = null;
  }

  apply(frames: readonly Fields[]): void {
    for (const frame of frames) this.#apply(frame);
  }

  #apply(frame: Fields): void {
    const type = String(frame["type"]);
    this.types.push(type);
    if (typeof frame["userCount"] === "number") this.count = frame["userCount"];
    if (type === "user_joined" || type === "user_left") {
      this.count += type === "user_joined" ? 1 : -1;
      this.#change(type === "user_joined" ? [frame["data"]] : [], type === "user_left" ? [frame["data"]] : []);
    } else if (type === "presence_diff") {
      if (frame["joined"] === undefined && frame["left"] === undefined) this.users = null;
      this.#change(listOf(frame["joined"]), listOf(frame["left"]));
    } else if (type === "presence_state") {
      if (this.#isReading) this.users = new Set();
      this.#isReading = false;
      this.#change(listOf(frame["users"]), []);
      this.next = frame["next"] ?? null;
    }
  }

  #change(joined: readonly unknown[], left: readonly unknown[]): void {
    for (const user of joined) this.users?.add(Object(user).userId);
    for (const user of left) this.users?.delete(Object(user).userId);
  }
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
