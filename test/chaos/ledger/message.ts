import type { Attempt } from "../history.ts";
import type { Slot, Stream } from "./stream.ts";

/** What a message was seen to say. */
export interface Version {
  readonly message: Message;
  readonly topic: string;
  readonly payload: string;
}

/** A message as its sender names it, whatever became of it. */
export class Message {
  readonly from: string;
  readonly id: string;
  /** Null: somebody received or confirmed what nobody sent. */
  attempt: Attempt | null = null;
  /** One object for each thing that it was seen to say. */
  readonly versions: Version[] = [];
  /** Where somebody received it, each place once. */
  readonly received = new Set<Slot>();
  /** Where the node said that it is, and since when. */
  readonly acked = new Map<Slot, number>();

  constructor(from: string, id: string) {
    this.from = from;
    this.id = id;
  }

  version(topic: string, payload: string): Version {
    const known = this.versions.find((version) => version.payload === payload && version.topic === topic);
    if (known !== undefined) return known;
    const version = { message: this, topic, payload };
    this.versions.push(version);
    return version;
  }

  /** The places in one stream where it was received. */
  receivedIn(stream: Stream): readonly Slot[] {
    return [...this.received].filter((slot) => slot.stream === stream);
  }
}

/** Whether it is what its sender sent. */
export function isTrue({ message, topic, payload }: Version): boolean {
  return message.attempt?.topic === topic && message.attempt.payload === payload;
}
