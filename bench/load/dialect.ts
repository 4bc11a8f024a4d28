/** How the generator speaks to either server: the same rooms and messages, with and without an application behind them. */
import { handshake, textFrame } from "./client-frames.ts";
import type { Position } from "./missed.ts";
import { hs256Token } from "./tokens.ts";

export type DialectName = "tautline" | "tautline-anonymous" | "bare" | "bare-greeting";

export interface Newcomer {
  readonly port: number;
  readonly user: string;
  /** Null: connects and joins nothing. */
  readonly room: string | null;
  readonly secret: string;
  readonly jti: string;
  readonly issuedAtS: number;
  /** Asks for MessagePack, where the server speaks it. */
  readonly msgpack: boolean;
}

export interface Dialect {
  request(who: Newcomer): Uint8Array;
  /** Sent once connected; null when the request said it all. With a position the client asks for what it missed. */
  join(room: string, recover: Position | null): Uint8Array | null;
  /** The server sends a frame after the upgrade, and the connection counts as open with it. */
  readonly greets: boolean;
}

const bare: Dialect = {
  request: (who) => handshake(who.port, who.room === null ? "/ws" : `/ws?${who.room}`, []),
  join: () => null,
  greets: false,
};

export const DIALECTS: Readonly<Record<DialectName, Dialect>> = {
  tautline: {
    request: (who) =>
      handshake(who.port, "/ws", [
        `Authorization: Bearer ${hs256Token(who.secret, who.user, who.jti, who.issuedAtS)}`,
        ...(who.msgpack ? ["Sec-WebSocket-Protocol: msgpack"] : []),
      ]),
    // Also where the connection is MessagePack: the server takes either from any client.
    join: (room, recover) =>
      textFrame(JSON.stringify({ type: "join_room", roomSlug: room, ...(recover !== null && { recover }) })),
    greets: true,
  },
  // The forwarded header of a proxy that nobody named lifts the limit on pending connections of one address.
  "tautline-anonymous": {
    request: (who) => handshake(who.port, "/", ["X-Forwarded-For: 203.0.113.1"]),
    join: () => null,
    greets: false,
  },
  bare,
  "bare-greeting": { ...bare, greets: true },
};

/** Of one width, so that every frame of a run has the length of the sampled one. */
export function userName(index: number): string {
  return `u${String(index + 1).padStart(5, "0")}`;
}

export function roomName(index: number): string {
  return `b${String(index).padStart(3, "0")}`;
}
