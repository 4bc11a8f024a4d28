import type { Api } from "./api/app.ts";
import type { Authenticator } from "./auth/authenticate.ts";
import type { AuthorizerHook } from "./auth/authorizer-hook.ts";
import type { TicketStore } from "./broker/broker.ts";
import type { Addresses } from "./hub/address.ts";
import type { Handshakes } from "./hub/handshakes.ts";
import type { Hub } from "./hub/hub.ts";
import type { StateEntries } from "./observe/state-entries.ts";

interface StateParts {
  readonly hub: Hub;
  readonly authenticator: Authenticator;
  readonly handshakes: Pick<Handshakes, "limitedAddresses">;
  readonly api: Pick<Api, "loginLimits">;
  readonly addresses: Pick<Addresses, "peers">;
  readonly tickets: Pick<TicketStore, "held">;
  readonly hook: Pick<AuthorizerHook, "openQuestions"> | null;
}

/** How much the parts of a node remember: every map that lives as long as the node and grows with what clients do. */
export function stateOf({ hub, authenticator, handshakes, api, addresses, tickets, hook }: StateParts): StateEntries {
  const { positions = 0, histories = 0, endedTopics = 0, messageIds = 0 } = hub.broker.held;
  return {
    resting_users: hub.users.resting,
    held_members: hub.presence.held,
    pending_connections: hub.pending.taken,
    topic_positions: positions,
    topic_histories: histories,
    ended_topics: endedTopics,
    message_ids: messageIds,
    encoded_answers: hub.answers.size,
    verified_tokens: authenticator.held.verifiedTokens,
    failed_authentications: authenticator.held.failures,
    handshake_limits: handshakes.limitedAddresses,
    login_limits: api.loginLimits,
    peer_addresses: addresses.peers,
    tickets: tickets.held,
    revocations: hub.revocations.size,
    changed_permissions: hub.permissions.size,
    authorizer_questions: hook?.openQuestions ?? 0,
  };
}
