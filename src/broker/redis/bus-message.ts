import type { MessageBody } from "../../protocol/codec.ts";
import { isEventName } from "../../protocol/event-name.ts";
import type { Positioned } from "../broker.ts";

/**
 * Messages as nodes tell them to each other: a digit for the version, a letter for the kind, offset and epoch, a line break, and the body, which is the
 * JSON of the frame without its end. Whatever can write to Redis can write here, so all of it is checked.
 */

/** What stands for the kinds of bodies. */
export const KIND_LETTERS = { chat: "c", event: "e" } as const;

const HEAD = /^1(?<kind>[ce])(?<offset>[1-9]\d{0,15}) (?<epoch>[A-Za-z0-9_.-]{1,64})$/;

/** Null: nothing that a node of this version has said. */
export function readBusMessage(message: string): Positioned | null {
  const end = message.indexOf("\n");
  if (end > 100) return null;
  const head = HEAD.exec(message.slice(0, end))?.groups;
  if (head === undefined) return null;
  const body = bodyOf(head["kind"], message.slice(end + 1));
  return body === null ? null : { body, offset: Number(head["offset"]), epoch: head["epoch"] ?? "" };
}

/** What a node of another release may have said. */
export function isOfAnotherVersion(message: string): boolean {
  return /^[02-9]/.test(message);
}

/** The body that is kept under such a letter; null when it is none that a node has written. */
export function bodyOf(letter: unknown, json: unknown): MessageBody | null {
  if (typeof json !== "string" || (letter !== "c" && letter !== "e")) return null;
  try {
    const frame: unknown = JSON.parse(json + (letter === "c" ? "}}" : "}"));
    if (typeof frame !== "object" || frame === null || !("type" in frame)) return null;
    const { type } = frame;
    if (letter === "c") return type === "new_message" ? { kind: "chat", json } : null;
    return typeof type === "string" && isEventName(type) ? { kind: "event", json } : null;
  } catch {
    return null;
  }
}
