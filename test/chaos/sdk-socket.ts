import type { SocketConstructor } from "../../src/client/socket.ts";
import { decoded, type Fields, fieldsOf, listOf, textOf } from "./framing.ts";
import { EVENT } from "./outbox.ts";
import { receivedMessage } from "./received.ts";

type Seen = ReturnType<typeof receivedMessage>;

export interface SocketObserver {
  readonly upgraded: (fromMs: number, toMs: number) => void;
  /** A frame that names a message went out. */
  readonly sent: (messageId: string) => void;
  /** A message is on the wire, before the SDK has seen it. */
  readonly came: (roomSlug: string, message: Seen) => void;
  readonly failed: (code: string) => void;
}

/** The WebSocket of the machine with somebody who looks at what passes. The SDK notices nothing of it. */
export function observedSocket(observer: SocketObserver): SocketConstructor {
  return class extends WebSocket {
    constructor(url: string | URL, protocols: string[]) {
      super(url, protocols);
      const fromMs = Date.now();
      this.addEventListener("open", () => observer.upgraded(fromMs, Date.now()));
      this.addEventListener("message", ({ data }) => look(frameIn(data), observer));
    }

    override send(data: string | NodeJS.TypedArray | ArrayBufferLike): void {
      const messageId = frameIn(data)["messageId"];
      if (typeof messageId === "string") observer.sent(messageId);
      super.send(data);
    }
  };
}

function frameIn(data: unknown): Fields {
  if (typeof data === "string") return decoded(data);
  if (data instanceof ArrayBuffer) return decoded(Buffer.from(data));
  return data instanceof Uint8Array ? decoded(Buffer.from(data)) : {};
}

function look(frame: Fields, observer: SocketObserver): void {
  const { type } = frame;
  if (type === "error") observer.failed(textOf(frame, "code"));
  if (type === "new_message" || type === EVENT) observer.came(textOf(frame, "roomSlug"), receivedMessage(frame));
  else if (type === "recovered" || type === "room_joined") {
    for (const message of listOf(frame, "messages"))
      observer.came(textOf(frame, "roomSlug"), receivedMessage(fieldsOf(message)));
  }
}
