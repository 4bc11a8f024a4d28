/** What the client needs of a WebSocket: that of browsers, Bun and Node, and of the package `ws`. */
export interface Socket {
  binaryType: string;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: SocketEventType, listener: (event: SocketEvent) => void): void;
}

export type SocketEventType = "open" | "message" | "close" | "error";

export interface SocketEvent {
  readonly type: string;
  readonly data?: unknown;
  readonly code?: number;
  readonly reason?: string;
}

export type SocketConstructor = new (url: string, protocols: string[]) => Socket;
