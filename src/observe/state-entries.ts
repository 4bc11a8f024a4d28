import { Gauge, type Registry } from "prom-client";

/** What a node remembers for longer than a connection or a request, all of it bounded. Each ends by itself, but for `ended_topics`. */
export const STATE_KINDS = {
  resting_users: "users without a connection, until their limits are full again",
  held_members: "members whose connection broke, until they are back or `PRESENCE_GRACE_MS` is over",
  pending_connections: "connections that have not authenticated yet",
  topic_positions: "topics whose offset and epoch are known, for an hour after their last message",
  topic_histories: "topics of which messages are kept",
  ended_topics: "topics that will start again in another epoch; all are forgotten together, at 100,000",
  message_ids: "ids of messages of the last five minutes",
  encoded_answers: "recoveries of the last second",
  verified_tokens: "tokens that were verified before",
  failed_authentications: "failures of the last minute",
  handshake_limits: "addresses whose limit on handshakes is not full again",
  login_limits: "addresses and names whose limit on logins is not full again",
  peer_addresses: "peers whose address was read; all are forgotten together, at 10,000",
  tickets: "tickets that were not used yet",
  revocations: "revocations whose tokens have not all ended",
  changed_permissions: "users whose permissions the backend has changed",
  authorizer_questions: "questions that the authorizer has not answered yet",
} as const;

export type StateKind = keyof typeof STATE_KINDS;
export type StateEntries = Readonly<Record<StateKind, number>>;

/** Read when somebody asks; null while the node is not put together yet. */
export function registerStateEntries(registry: Registry, read: () => StateEntries | null): void {
  new Gauge({
    name: "tautline_state_entries",
    help: "What the node remembers, by kind",
    labelNames: ["kind"],
    registers: [registry],
    collect() {
      const entries = read();
      for (const kind of Object.keys(STATE_KINDS)) this.set({ kind }, 0);
      for (const [kind, count] of Object.entries(entries ?? {})) this.set({ kind }, count);
    },
  });
}
