import { createHash, timingSafeEqual } from "node:crypto";
import { ProtocolError } from "../protocol/codes.ts";

export interface MetricsPorts {
  /** What a scraper shows as `Authorization: Bearer`; null asks for nothing. */
  readonly token: string | null;
  /** Whether the route is there although no token is set: outside production. */
  readonly open: boolean;
  readonly render: () => Promise<string>;
  readonly contentType: string;
}

/** Without a token and not open the route is not there at all. */
export function hasMetrics(ports: MetricsPorts): boolean {
  return ports.token !== null || ports.open;
}

export async function metrics(ports: MetricsPorts, request: Request): Promise<Response> {
  if (ports.token !== null) {
    const shown = /^Bearer +([^ ]+) *$/i.exec(request.headers.get("authorization") ?? "")?.[1];
    if (shown === undefined) throw new ProtocolError("AUTH_REQUIRED");
    if (!isSame(shown, ports.token)) throw new ProtocolError("AUTH_FAILED");
  }
  return new Response(await ports.render(), { headers: { "Content-Type": ports.contentType } });
}

/** In constant time; digests, because `timingSafeEqual` wants equal lengths and would tell the length. */
function isSame(left: string, right: string): boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(left), digest(right));
}
