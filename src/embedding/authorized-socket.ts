/** What is needed of a WebSocket: that of Elysia fits, and so does Bun's own with `{ request }` as its data. */
export interface AuthorizedSocket {
  /** With the very request that `authenticateConnection` saw. */
  readonly data: { readonly request: Request };
  /** 1 while it is open. */
  readonly readyState: number;
  send(text: string): unknown;
  subscribe(topic: string): unknown;
  unsubscribe(topic: string): unknown;
  isSubscribed(topic: string): boolean;
  publish(topic: string, text: string): unknown;
  close(code?: number, reason?: string): unknown;
}

const OPEN = 1;

export function isOpen(ws: AuthorizedSocket): boolean {
  return ws.readyState === OPEN;
}
