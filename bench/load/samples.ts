/** The frames that Tautline really sends, so that the bare server can move as many bytes. */
import { chatMessage, messageIdOf } from "./client-frames.ts";
import { roomName, userName } from "./dialect.ts";
import { hs256Token } from "./tokens.ts";

export interface Samples {
  readonly connected: string;
  readonly broadcast: string;
  readonly acknowledgement: string;
}

/** Enough that an offset has as many digits as in the middle of a run. */
const MESSAGES = 1_000;
const DEADLINE_MS = 15_000;

/** What protocol.md says that they look like: for the check of the rig against itself, which runs without Tautline. */
export const SPECIMEN: Samples = specimen();

export function sampleFrames(port: number, secret: string, issuedAtS: number): Promise<Samples> {
  const token = hs256Token(secret, userName(0), "samples", issuedAtS);
  const room = roomName(999);
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws?token=${token}`);
  const last = new Map<string, string>();
  let serial = 0;
  const sendNext = (): void => socket.send(chatMessage(room, messageIdOf(++serial)));
  return new Promise<Samples>((resolve, reject) => {
    const timer = setTimeout(() => fail("the samples did not come in time"), DEADLINE_MS);
    const fail = (reason: string): void => {
      clearTimeout(timer);
      socket.close();
      reject(new Error(`sampling: ${reason}`));
    };
    const awaited: Readonly<Record<string, () => void>> = {
      connected: () => socket.send(JSON.stringify({ type: "join_room", roomSlug: room })),
      room_joined: sendNext,
      message_sent: () => {
        if (serial < MESSAGES) return sendNext();
        clearTimeout(timer);
        socket.close();
        // The sender's own copy and the acknowledgement come in no fixed order; the one before is of the same length.
        resolve({
          connected: last.get("connected") ?? "",
          broadcast: last.get("new_message") ?? "",
          acknowledgement: last.get("message_sent") ?? "",
        });
      },
      new_message: () => {},
    };
    socket.onmessage = ({ data }) => {
      const text = String(data);
      const type = /^\{"type":"([a-z_]+)"/.exec(text)?.[1] ?? "";
      last.set(type, text);
      const next = awaited[type];
      if (next === undefined) fail(`an unexpected frame came: ${type}`);
      else next();
    };
    socket.onclose = ({ code }) => fail(`the connection was closed with ${code}`);
  });
}

function specimen(): Samples {
  const timestamp = Date.UTC(2026, 0, 1);
  const position = { offset: 1000, epoch: "AAAAAAAAAAAAAAAAAAAAAA" };
  const user = { id: userName(0), username: userName(0), name: userName(0), roles: ["user"], permissions: [] };
  const data = {
    slug: messageIdOf(1),
    chatRoomSlug: roomName(999),
    userSlug: userName(0),
    username: userName(0),
    messageType: "TEXT",
    message: "tautline tautline t",
    createdAt: new Date(timestamp).toISOString(),
    id: 1000,
  };
  return {
    connected: JSON.stringify({
      type: "connected",
      timestamp,
      protocol: 1,
      connectionId: position.epoch,
      user,
      endpoint: "/ws",
      topics: [{ topic: `user:${userName(0)}`, ...position }],
      expiresAt: timestamp,
      heartbeat: { intervalMs: 30_000, timeoutMs: 90_000 },
      limits: { maxMessageBytes: 65_536, maxTopics: 128, messagesPerSecond: 20 },
      nodeId: position.epoch,
    }),
    broadcast: JSON.stringify({ type: "new_message", timestamp, roomSlug: roomName(999), data, ...position }),
    acknowledgement: JSON.stringify({
      type: "message_sent",
      timestamp,
      messageId: messageIdOf(1),
      roomSlug: roomName(999),
      ...position,
    }),
  };
}
