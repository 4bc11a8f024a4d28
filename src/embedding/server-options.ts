import type { ConnectionCallbacks } from "./callbacks.ts";
import type { Decisions, ServerSettings } from "./options.ts";

/** Ids of the users who follow a user. */
export type FollowersOf = (userId: string | number) => Iterable<string | number> | Promise<Iterable<string | number>>;

/**
 * Options of `createServer`: the settings, and what the application does itself. `Data` is the type of `connection.data`.
 * Source: docs/embedding.md.
 */
export interface ServerOptions<Data = unknown> extends ServerSettings, Decisions, ConnectionCallbacks<Data> {
  /** Whom `broadcastToFollowers` sends to besides those who receive `followers:{id}`, which the `follows` of a user says. */
  readonly followersOf?: FollowersOf | undefined;
}

/** Where a server listens: a port of 127.0.0.1, a port of another address (0 takes a free one), or a Unix socket. */
export type ListenTarget =
  number | { readonly port: number; readonly host?: string | undefined } | { readonly unix: string };
