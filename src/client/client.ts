import type { TautlineError } from "./error.ts";
import type { Status } from "./status.ts";
import type { Room, Topic, TopicOptions, Waiting } from "./topic.ts";

export interface ClientEvents {
  status: Status;
  /** What nobody waits for: a token that could not be had, an error of the node about nothing that was asked. */
  error: TautlineError;
}

/** A connection that is kept, with the topics that are joined over it. */
export interface Client {
  readonly status: Status;
  /** The returned function takes the listener away. */
  on<Name extends keyof ClientEvents>(name: Name, listener: (event: ClientEvents[Name]) => void): () => void;
  /** Each status from now on. Ends with the status `closed`. */
  statuses(options?: Waiting): AsyncIterableIterator<Status>;
  /** The same room each time, until it is left. */
  join(roomSlug: string, options?: TopicOptions): Room;
  /** The same topic each time, until it is left. */
  topic(name: string, options?: TopicOptions): Topic;
  /** Does not wait any longer; where there is a connection, finds out whether it is alive. */
  reconnectNow(): void;
  /** For good. What waits is given back with its error. Settles once the connection is closed. */
  close(): Promise<void>;
}
