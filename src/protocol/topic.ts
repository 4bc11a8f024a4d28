/**
 * Topic grammar and patterns (docs/protocol.md, "Topics and rooms"): `namespace:name`, at most 200 characters in all.
 * Names compare byte by byte: no case folding, no decoding, no normalisation.
 */

export const MAX_TOPIC_LENGTH = 200;
const ROOM = "room:";

/** The characters of ids and topic names: printable ASCII without quotes, brackets, backslash, `*` and the like. */
export const ID = /^[A-Za-z0-9_.\-~@:/|+=%,]{1,128}$/;
const NAMESPACE = /^[a-z][a-z0-9-]{0,31}$/;
export const TOPIC = /^[a-z][a-z0-9-]{0,31}:[A-Za-z0-9_.\-~@:/|+=%,]+$/;
export const ROOM_SLUG = /^[A-Za-z0-9_.\-~@:/|+=%,]{1,195}$/;

export function isId(text: string): boolean {
  return ID.test(text);
}

export function isNamespace(text: string): boolean {
  return NAMESPACE.test(text);
}

export function isTopic(text: string): boolean {
  return text.length <= MAX_TOPIC_LENGTH && TOPIC.test(text);
}

export function isRoomSlug(text: string): boolean {
  return ROOM_SLUG.test(text);
}

export function namespaceOf(topic: string): string {
  return topic.slice(0, topic.indexOf(":"));
}

export function nameOf(topic: string): string {
  return topic.slice(topic.indexOf(":") + 1);
}

export function roomTopic(slug: string): string {
  return ROOM + slug;
}

/** The slug when the topic is a room, else null: frames about rooms carry `roomSlug`, all others `topic`. */
export function roomSlugOf(topic: string): string | null {
  return topic.startsWith(ROOM) ? topic.slice(ROOM.length) : null;
}

/** How frames name a topic: a room by its slug, every other by its topic. */
export function placeOf(topic: string): { readonly roomSlug: string } | { readonly topic: string } {
  const roomSlug = roomSlugOf(topic);
  return roomSlug === null ? { topic } : { roomSlug };
}

/** The topic that a frame names, which has exactly one of the two. */
export function topicOf(frame: { roomSlug?: string | undefined; topic?: string | undefined }): string {
  return frame.topic ?? roomTopic(frame.roomSlug ?? "");
}

/** A compiled pattern: `*` stands for one whole `:`-segment, a trailing `**` for any rest of one segment or more. */
export interface TopicPattern {
  readonly segments: readonly string[];
  readonly anyRest: boolean;
}

/** Null when the text is no pattern: empty, too long, or a `*` that is not a whole segment. */
export function compilePattern(text: string): TopicPattern | null {
  if (text.length === 0 || text.length > MAX_TOPIC_LENGTH) return null;
  const segments = text.split(":");
  const anyRest = segments.at(-1) === "**";
  if (anyRest) segments.pop();
  for (const segment of segments) {
    if (segment !== "*" && (segment === "" || !isId(segment))) return null;
  }
  return { segments, anyRest };
}

export function matches(pattern: TopicPattern, topic: string): boolean {
  const segments = topic.split(":");
  const { segments: wanted, anyRest } = pattern;
  if (anyRest ? segments.length <= wanted.length : segments.length !== wanted.length) return false;
  return wanted.every((segment, index) => segment === "*" || segment === segments[index]);
}
