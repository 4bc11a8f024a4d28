import { type Confirmation, type Publishing, Topic } from "./topic.ts";

/** The topic `room:{slug}`, which has chat messages besides events. */
export class Room extends Topic {
  /** A chat message of 1–4,096 UTF-16 units. Settles once the node has confirmed it; until then it is sent again after every break. */
  send(message: string, options: Publishing = {}): Promise<Confirmation> {
    return this.confirmed({ type: "chat_message", message }, options);
  }
}
