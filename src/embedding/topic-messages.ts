import * as v from "valibot";
import { actionsNamed, isTokenRefusal, joinWithGrant, type TokenGrant } from "../hub/grants.ts";
import { encodeData, newMessageId } from "../hub/publishing.ts";
import { eventBody } from "../protocol/codec.ts";
import { ProtocolError } from "../protocol/codes.ts";
import { type ClientFrame, clientFrames, replyTo } from "../protocol/frames.ts";
import { acceptedUntilMs, type Principal } from "../protocol/principal.ts";
import { placeOf, topicOf } from "../protocol/topic.ts";
import type { AuthSession } from "./auth-session.ts";
import { type AuthorizedSocket, isOpen } from "./authorized-socket.ts";
import type { MessageAuth } from "./message-auth.ts";

/**
 * Subscribing, unsubscribing and publishing on the native topics of an application's own server. The frames are those of
 * docs/protocol.md, "Client → server"; nothing has a position, since nothing is kept.
 */

type TopicFrame = "subscribe" | "unsubscribe" | "publish";
type Handle<T extends TopicFrame> = (
  auth: MessageAuth,
  ws: AuthorizedSocket,
  session: AuthSession,
  frame: ClientFrame<T>,
) => void | Promise<void>;
type Run = (auth: MessageAuth, ws: AuthorizedSocket, session: AuthSession, message: unknown) => void | Promise<void>;

function row<T extends TopicFrame>(type: T, handle: Handle<T>): [string, Run] {
  const schema: v.GenericSchema<unknown, ClientFrame<T>> = clientFrames[type];
  return [
    type,
    (auth, ws, session, message) => {
      const parsed = v.safeParse(schema, message, { abortEarly: true });
      if (!parsed.success) throw new ProtocolError("BAD_MESSAGE");
      return handle(auth, ws, session, parsed.output);
    },
  ];
}

const ROWS: ReadonlyMap<string, Run> = new Map([
  row("subscribe", subscribe),
  row("unsubscribe", unsubscribe),
  row("publish", publish),
]);

export function findTopicMessage(type: unknown): Run | undefined {
  return typeof type === "string" ? ROWS.get(type) : undefined;
}

function subscribe(
  auth: MessageAuth,
  ws: AuthorizedSocket,
  session: AuthSession,
  frame: ClientFrame<"subscribe">,
): void | Promise<void> {
  const { topic, token } = frame;
  const join = (): void | Promise<void> =>
    auth.whenAllowed(ws, session, "read", topic, () => {
      const { maxTopicsPerConnection: limit } = auth.options;
      const isNew = !session.topics.has(topic);
      if (isNew && session.topics.size >= limit) throw new ProtocolError("TOPIC_LIMIT", { limit });
      session.topics.add(topic);
      ws.subscribe(topic);
      auth.watch.add(ws, session);
      reply(auth, ws, { type: "subscribed", ...replyTo(frame), ...placeOf(topic) });
      if (isNew) auth.record("topic.joined", session, "OK", topic);
    });
  if (token === undefined) return join();
  const grant = grantBy(auth, session, token, topic);
  const restored = (before: Granted): Granted => (session.topics.has(topic) ? before : undefined);
  const joinWith = (known: Granted): void | Promise<void> =>
    known === undefined ? join() : joinWithGrant(session, topic, known, restored, join);
  return grant instanceof Promise ? grant.then(joinWith) : joinWith(grant);
}

type Granted = TokenGrant | undefined;

/** What a second token of the same user grants on this topic until it ends. Throws or rejects AUTH_FAILED for any other. */
function grantBy(auth: MessageAuth, session: AuthSession, token: string, topic: string): Granted | Promise<Granted> {
  const { authenticator } = auth.ports;
  const { principal, client } = session;
  const grant = (second: Principal): Granted => {
    if (second.id !== principal.id) throw new ProtocolError("AUTH_FAILED");
    const actions = actionsNamed(second.topics, topic);
    if (actions.length === 0) return undefined;
    return { actions, untilMs: acceptedUntilMs(second, auth.options.clockToleranceS), token: second };
  };
  const refuse = (error: unknown): never => {
    if (!isTokenRefusal(error)) throw error;
    auth.record("auth.failed", session, "AUTH_FAILED", topic);
    throw new ProtocolError("AUTH_FAILED");
  };
  try {
    const second = authenticator.verify(token, client.key, { client });
    return second instanceof Promise ? second.then(grant).catch(refuse) : grant(second);
  } catch (error) {
    return refuse(error);
  }
}

function unsubscribe(
  auth: MessageAuth,
  ws: AuthorizedSocket,
  session: AuthSession,
  frame: ClientFrame<"unsubscribe">,
): void {
  const { topic } = frame;
  ws.unsubscribe(topic);
  session.grants?.delete(topic);
  if (session.topics.delete(topic)) auth.record("topic.left", session, "OK", topic);
  reply(auth, ws, { type: "unsubscribed", ...replyTo(frame), ...placeOf(topic), code: "OK", reason: "OK" });
}

/** The token that gave access to the topic has ended. */
export function endGrant(auth: MessageAuth, ws: AuthorizedSocket, session: AuthSession, topic: string): void {
  if (!session.topics.has(topic) || auth.ports.access.may(session.principal, "read", topic) === "yes") return;
  session.topics.delete(topic);
  ws.unsubscribe(topic);
  auth.record("topic.left", session, "TOKEN_EXPIRED", topic);
  reply(auth, ws, { type: "unsubscribed", ...placeOf(topic), code: "TOKEN_EXPIRED", reason: "TOKEN_EXPIRED" });
}

function publish(
  auth: MessageAuth,
  ws: AuthorizedSocket,
  session: AuthSession,
  frame: ClientFrame<"publish">,
): void | Promise<void> {
  const topic = topicOf(frame);
  return auth.whenAllowed(ws, session, "write", topic, () => {
    const { event, messageId = newMessageId() } = frame;
    const dataJson = encodeData(frame.data);
    const { wireId: userId, username } = session.principal;
    const place = placeOf(topic);
    const timestamp = auth.ports.clock.now();
    const body = eventBody({ type: event, timestamp, ...place, messageId, from: { userId, username } }, dataJson);
    const text = `${body.json}}`; // Nothing has a position here.
    ws.publish(topic, text);
    if (ws.isSubscribed(topic)) ws.send(text);
    reply(auth, ws, { type: "published", ...replyTo(frame), ...place, messageId });
  });
}

function reply(auth: MessageAuth, ws: AuthorizedSocket, frame: object): void {
  if (isOpen(ws)) ws.send(JSON.stringify({ ...frame, timestamp: auth.ports.clock.now() }));
}
