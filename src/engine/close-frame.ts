import { CLOSES, isChosenCloseCode } from "../protocol/codes.ts";

/** What may stand in a close frame (RFC 6455 sections 5.5.1 and 7.4). */

/** A control frame holds 125 bytes, two of which are the code. */
const MAX_REASON_BYTES = 123;

const encoder = new TextEncoder();
const scratch = new Uint8Array(MAX_REASON_BYTES);

/** As much of the reason as fits, cut between characters. */
export function cutReason(reason: string): string {
  // A UTF-16 unit takes three bytes at most.
  if (reason.length * 3 <= MAX_REASON_BYTES) return reason;
  return reason.slice(0, encoder.encodeInto(reason, scratch).read);
}

/** The code itself, or 1011 for one that must not or would not be sent: 1005, 1006, and what is neither of the table nor private. */
export function sendableCode(code: number): number {
  return Object.hasOwn(CLOSES, code) || isChosenCloseCode(code) ? code : 1011;
}
