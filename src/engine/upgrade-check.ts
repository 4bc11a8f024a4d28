import { ERRORS } from "../protocol/codes.ts";
import type { Handshake, Refuse } from "./engine.ts";

/** Which requests may become a WebSocket (RFC 6455 section 4.2.1): stricter than the engines, and the same on each of them. */

/** A name or IPv4 address, or an IPv6 address in brackets, and a port. No comma: that is two `Host` lines joined. */
const HOST = /^(?:[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{0,5})?$/;

/** 16 bytes in base64. */
const KEY = /^[A-Za-z0-9+/]{22}==$/;

const BAD_REQUEST: Refuse = { status: ERRORS.BAD_REQUEST.status, headers: {}, body: ERRORS.BAD_REQUEST.text };
const NOT_GET: Refuse = {
  status: ERRORS.METHOD_NOT_ALLOWED.status,
  headers: { Allow: "GET" },
  body: ERRORS.METHOD_NOT_ALLOWED.text,
};
const WRONG_VERSION: Refuse = {
  status: ERRORS.UPGRADE_REQUIRED.status,
  headers: { Upgrade: "websocket", "Sec-WebSocket-Version": "13" },
  body: ERRORS.UPGRADE_REQUIRED.text,
};

/** Whether a comma list holds the token, given in lower case. */
export function listsToken(list: string | null, token: string): boolean {
  if (list === null) return false;
  if (list === token) return true;
  return list.split(",").some((item) => item.trim().toLowerCase() === token);
}

/** A host that a URL can be built from, whatever else it may be. */
export function isWellFormedHost(host: string): boolean {
  return HOST.test(host) && URL.canParse(`http://${host}/`);
}

/** The answer to an upgrade request that must not reach the application, or null for a good one. */
export function refusalOf(method: string, handshake: Handshake): Refuse | null {
  if (method !== "GET") return NOT_GET;
  if (!isWellFormedHost(handshake.header("host") ?? "")) return BAD_REQUEST;
  if (!listsToken(handshake.header("connection"), "upgrade")) return BAD_REQUEST;
  if (handshake.header("sec-websocket-version") !== "13") return WRONG_VERSION;
  if (!KEY.test(handshake.header("sec-websocket-key") ?? "")) return BAD_REQUEST;
  // The engine would read a body as frames, a proxy as a body: a way to smuggle one inside the other.
  if (handshake.header("transfer-encoding") !== null) return BAD_REQUEST;
  if ((handshake.header("content-length") ?? "0") !== "0") return BAD_REQUEST;
  return null;
}
