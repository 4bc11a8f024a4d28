/** Names of published events (docs/protocol.md, "Published events"). */

const EVENT_NAME = /^[a-z][a-z0-9_.-]{0,63}$/;

/** Every type of frame that the server sends for itself: an event of that name could be taken for one. */
const SERVER_FRAME_TYPES: ReadonlySet<string> = new Set([
  ...["connected", "auth_success", "auth_error", "auth_refreshed", "auth_expiring", "server_draining", "error"],
  ...["room_joined", "room_left", "subscribed", "unsubscribed", "recovered", "history"],
  ...["user_joined", "user_left", "presence_diff", "presence_state", "typing"],
  ...["message_sent", "new_message", "published", "ping", "pong"],
]);

export function isEventName(name: string): boolean {
  return EVENT_NAME.test(name) && !SERVER_FRAME_TYPES.has(name);
}
