import { type User, userOf } from "../auth/principal-input.ts";
import type { Connection } from "../hub/connection.ts";
import { isChosenCloseCode } from "../protocol/codes.ts";
import { isEventName } from "../protocol/event-name.ts";
import type { Principal } from "../protocol/principal.ts";
import { checkValue } from "../protocol/value.ts";

/** A frame to one client. `type` is named as events are, and no frame of the protocol; what JSON cannot say is left out. */
export interface FrameToClient {
  readonly type: string;
  readonly [field: string]: unknown;
}

const NORMAL = 1000;

/** One WebSocket connection of a user, as an application sees it. The same object from `onConnect` to `onDisconnect`. */
export class ClientConnection<Data = unknown> {
  readonly #connection: Connection;
  readonly #nowMs: () => number;
  /** Unique within this node. */
  readonly id: string;
  /** Of the endpoint: `/ws`. */
  readonly endpoint: string;
  /** The client's address, behind trusted proxies too; "" when unknown. */
  readonly address: string;
  /** A place for the application. Undefined until it puts something there. */
  data: Data | undefined = undefined;
  #principal: Principal;

  constructor(connection: Connection, principal: Principal, nowMs: () => number) {
    this.#connection = connection;
    this.#principal = principal;
    this.#nowMs = nowMs;
    this.id = connection.id;
    this.endpoint = connection.endpoint.path;
    this.address = connection.client.address;
  }

  /** Who it is: another object after the client has brought a new token, or its permissions were changed. */
  get user(): User {
    this.#principal = this.#connection.principal ?? this.#principal;
    return userOf(this.#principal);
  }

  /**
   * Sends a frame in the framing of this connection, with a `timestamp`. An answer repeats the `id` of the message that it answers. False:
   * the connection has ended, and nothing was sent. Throws a `TypeError` for a frame that cannot be sent.
   */
  send(frame: FrameToClient): boolean {
    const { type, ...fields } = frame;
    if (typeof type !== "string" || !isEventName(type)) {
      throw new TypeError("a frame's `type` is [a-z][a-z0-9_.-]{0,63} and no frame of the protocol");
    }
    const known = jsonFields(fields);
    if (this.#connection.state === "gone") return false;
    const { codec } = this.#connection;
    this.#connection.sendWith({ type, timestamp: this.#nowMs() }, codec.encodeFields(known));
    return true;
  }

  /**
   * Ends the connection with 1000 or one of 4000–4999, of which some mean something in this protocol: 4003 tells clients not to come back.
   * A reason over 123 bytes of UTF-8 is cut. Nothing happens when it has ended already. Throws a `RangeError` for another code.
   */
  close(code = 1000, reason?: string): void {
    if (code !== NORMAL && !isChosenCloseCode(code)) throw new RangeError("a close code is 1000, or from 4000 to 4999");
    this.#connection.close(code, reason);
  }
}

/** As JSON would carry them, so that both framings say the same. */
function jsonFields(fields: object): object {
  const known: unknown = JSON.parse(JSON.stringify({ ...fields, timestamp: undefined }));
  if (typeof known !== "object" || known === null) return {};
  try {
    checkValue(known);
  } catch (error) {
    throw new TypeError("a frame holds a value that clients cannot be sent", { cause: error });
  }
  return known;
}
