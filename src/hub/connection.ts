import type { Frame, Socket } from "../engine/engine.ts";
import type { ChosenCloseCode, CloseCode, ProtocolError } from "../protocol/codes.ts";
import { closeName } from "../protocol/codes.ts";
import type { Codec, EncodedFields } from "../protocol/codec.ts";
import type { ServerFrame } from "../protocol/server-frames.ts";
import type { Principal } from "../protocol/principal.ts";
import type { ClientAddress } from "./address.ts";
import type { Endpoint } from "./endpoints.ts";
import type { Grants } from "./grants.ts";
import type { Echo } from "./parameters.ts";
import type { Room } from "./rooms.ts";
import type { User } from "./users.ts";
import type { Verdicts } from "./verdicts.ts";
import type { Withdrawable } from "./waiting-joins.ts";

/** A refusal, and whose connection it would have been where that is known. */
interface Doom {
  readonly error: ProtocolError;
  readonly userId: string | null;
}

/** `pending` until it is known who it is and that it may come in, `gone` once its end was decided: a connection that is gone does nothing any more. */
export type ConnectionState = "pending" | "open" | "gone";

/** Frames that wait while an earlier one of the same connection waits for something: so much, then the connection ends. */
export interface WaitingBounds {
  readonly frames: number;
  readonly bytes: number;
}

/** Behind an `auth` that is being checked: nobody knows yet whose frames these are. */
export const WAITING_UNAUTHENTICATED: WaitingBounds = { frames: 64, bytes: 65_536 };

/**
 * Behind a recovery, say: a client may join all its topics at once. Over `PAUSE_BYTES` nothing more is read from the client, but what
 * the engine has read by then, half a megabyte at most, still comes.
 */
export const WAITING: WaitingBounds = { frames: 16_384, bytes: 1_048_576 };
export const PAUSE_BYTES = 65_536;

export interface WaitingFrame {
  readonly data: string | Uint8Array;
  /** Monotonic. */
  readonly arrivedMs: number;
}

/** What a waiting frame costs beside its own bytes. */
export const WAITING_FRAME_BYTES = 64;

const NONE: readonly string[] = [];

/** One WebSocket connection. Data and sending only; what frames do is in `handlers.ts`, when it ends is in `hub.ts`. */
export class Connection {
  readonly id: string;
  readonly endpoint: Endpoint;
  readonly codec: Codec;
  readonly client: ClientAddress;
  readonly sendsPingFrames: boolean;
  /** Which ticks of the hub ping this connection. */
  readonly pingSlot: number;
  state: ConnectionState = "pending";
  /** Who it is and what it may do: as the token says, but for what the backend has changed of the user's permissions. */
  principal: Principal | null;
  /** As the token says. */
  bearer: Principal | null;
  /** Access to single topics for this connection alone; null while there is none. */
  grants: Grants | null = null;
  /** What the authorizer has answered; null before it was asked. */
  verdicts: Verdicts | null = null;
  /** Those of the endpoint's own topics that it has not left: it is in them without asking. */
  topics: readonly string[];
  /** What its greeting repeats; null where the endpoint repeats nothing. */
  readonly echo: Echo | null;
  /** Its place among the user's connections, given back by `Hub.release`. */
  user: User | null = null;
  /** Kept until the audit has recorded it. */
  userAgent: string | null;
  readonly rooms: Room[] = [];
  joining: Set<Withdrawable> | null = null;
  openedAtMs = 0;
  /** What its time to authenticate is counted from: when it was opened, less the pauses of the process. */
  pendingSinceMs = 0;
  lastSeenMs = 0;
  /** Frames that were refused for their rate since the last accepted one. */
  refusedFrames = 0;
  /** A good part of the allowed was unsent when last looked at, or a frame did not fit any more. */
  isFallingBehind = false;
  /** Since when every sweep has found more unsent than is allowed. */
  overUnsentSinceMs: number | null = null;
  /** Frames other than `auth` that came before authentication. */
  unauthenticatedFrames = 0;
  wasExpiryAnnounced = false;
  /** The audit has recorded that it was let in, and will record its end. */
  wasAccepted = false;
  /** One of the places for unauthenticated connections. */
  holdsPendingPlace = false;
  /** Null unless an earlier frame waits for something. */
  waiting: WaitingFrame[] | null = null;
  waitingBytes = 0;
  /** Nothing is read from the client until its waiting frames are handled. */
  isPaused = false;
  /** It is being sent what it missed of its user's own topic: what is sent to its user meanwhile comes from the history as well. */
  isOwnHeld = false;
  /** Called when bytes that waited went out, and at the end; null unless something waits for it. */
  onDrain: (() => void) | null = null;
  /** A refusal that the endpoint tells by a close code, once the upgrade has happened. */
  doom: Doom | null = null;
  /** Why this side ended it; null when the peer did. */
  endedBy: CloseCode | ChosenCloseCode | null = null;
  #socket: Socket | null = null;

  constructor(fields: {
    id: string;
    endpoint: Endpoint;
    codec: Codec;
    client: ClientAddress;
    sendsPingFrames: boolean;
    pingSlot: number;
    principal: Principal | null;
    bearer?: Principal | null;
    topics?: readonly string[];
    echo?: Echo | null;
    userAgent: string | null;
  }) {
    this.id = fields.id;
    this.endpoint = fields.endpoint;
    this.codec = fields.codec;
    this.client = fields.client;
    this.sendsPingFrames = fields.sendsPingFrames;
    this.pingSlot = fields.pingSlot;
    this.principal = fields.principal;
    this.bearer = fields.bearer ?? fields.principal;
    this.topics = fields.topics ?? NONE;
    this.echo = fields.echo ?? null;
    this.userAgent = fields.userAgent;
  }

  get socket(): Socket {
    if (this.#socket === null) throw new Error("the connection has no socket yet");
    return this.#socket;
  }

  attach(socket: Socket): void {
    this.#socket = socket;
  }

  send(frame: ServerFrame): void {
    this.deliver(this.codec.encode(frame));
  }

  /** A frame with fields that were encoded for many. */
  sendWith(frame: object, fields: EncodedFields): void {
    this.deliver(this.codec.encodeWith(frame, fields));
  }

  /** A frame that is encoded already. */
  deliver(frame: Frame): void {
    if (this.socket.send(frame) === "dropped") this.isFallingBehind = true;
  }

  pause(): void {
    if (this.isPaused) return;
    this.isPaused = true;
    this.socket.pause?.();
  }

  resume(): void {
    if (!this.isPaused) return;
    this.isPaused = false;
    this.socket.resume?.();
  }

  /** Ends the connection. The reason is the code's name unless something else is worth telling. */
  close(code: CloseCode | ChosenCloseCode, reason: string = closeName(code) ?? ""): void {
    if (this.state === "gone") return;
    this.state = "gone";
    this.endedBy = code;
    this.socket.close(code, reason);
  }
}
