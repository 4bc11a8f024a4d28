import { chatFor } from "./bodies.ts";
import { HubRig } from "./hub.ts";

/** The room `r` and what was said in it, for tests of who missed some of it. */

export type Frame = Record<string, unknown>;

export const textOf = (frame: unknown): unknown => {
  const { data } = Object(frame);
  return Object(data)["message"];
};
export const listed = (frame: Frame | undefined): unknown[] => {
  const list = frame?.["messages"];
  return Array.isArray(list) ? list : [];
};
export const ofType = (frames: Frame[], ...types: string[]): Frame[] =>
  frames.filter(({ type }) => types.includes(String(type)));

/** All chat texts that a client got, recovered and live, in the order in which they came. */
export const textsIn = (frames: Frame[]): unknown[] =>
  frames.flatMap((frame) => (frame["type"] === "new_message" ? [textOf(frame)] : listed(frame).map(textOf)));

export const LARGE = 60_000;
export const WIDE = { historySize: 1_000, historyBytes: 8_000_000, maxHistoryBytes: 64_000_000 };

export function rigWithLargeHistory(maxUnsentBytes = 1_000_000): HubRig {
  return new HubRig({ maxUnsentBytes, messagesPerSecond: 100_000, messageBurst: 100_000 }, undefined, WIDE);
}

/** A stream in the room r that nobody has to have sent as a client. */
export function publish(rig: HubRig, text: string, padding = 0): void {
  void rig.hub.broker.publish({ topic: "room:r", body: chatFor("r", text, padding), identity: null }, true);
}

export function position(rig: HubRig): { offset: number; epoch: string } {
  const at = rig.hub.broker.position("room:r");
  if (at instanceof Promise) throw new Error("the memory broker answers at once");
  return { offset: at.offset, epoch: at.epoch };
}
