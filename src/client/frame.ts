import type { Position } from "./position.ts";

/** What came from the node: only what would break the state is checked, and where it is used. */
export interface Frame {
  readonly type: string;
  readonly [field: string]: unknown;
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

export function isFrame(value: unknown): value is Frame {
  return isObject(value) && typeof value["type"] === "string";
}

/** The topic that a frame is about. */
export function topicOf({ topic, roomSlug }: Frame): string | null {
  if (typeof roomSlug === "string") return `room:${roomSlug}`;
  return typeof topic === "string" ? topic : null;
}

export function positionOf({ offset, epoch }: Readonly<Record<string, unknown>>): Position | null {
  return typeof offset === "number" && typeof epoch === "string" ? { offset, epoch } : null;
}

export function numberOf(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}

export function flag(value: unknown): boolean | undefined {
  return typeof value === "boolean" ? value : undefined;
}

export function count(value: unknown, otherwise: number): number {
  return typeof value === "number" ? value : otherwise;
}

export function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
