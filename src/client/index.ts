import type { Client } from "./client.ts";
import type { ConnectOptions } from "./options.ts";
import { Session } from "./session.ts";

export type { Client, ClientEvents } from "./client.ts";
export { TautlineError, type ClientErrorCode } from "./error.ts";
export type { Identity, User } from "./frame.ts";
export type { Gap } from "./inbox.ts";
export type { Message } from "./message.ts";
export type { ConnectOptions } from "./options.ts";
export type { Position } from "./position.ts";
export type { Status } from "./status.ts";
export type { Confirmation, History, Presence, Publishing, Room, Topic, TopicOptions, Waiting } from "./topic.ts";
export type { Joined, Left, PresenceChange, TopicEvents, Typing } from "./topic-events.ts";
export type { Why } from "./verdict.ts";

/**
 * Connects to a node, and keeps connected. `url` is an endpoint, such as `wss://example.com/ws`; `/` is the one that says why it refuses.
 * Throws for what is no address. What goes wrong later is in the status.
 */
export function connect(url: string, options: ConnectOptions): Client {
  return new Session(url, options);
}
