import type { ClientPlan } from "./client-plan.ts";
import { type Fields, fieldsOf, listOf, textOf } from "./framing.ts";
import type { Membership } from "./membership.ts";
import type { Recorder } from "./recorder.ts";

/** What a client that watches makes of the frames about who is there. Before it has read the list it knows nobody, and news of others say nothing. */
export class PresenceView {
  readonly #plan: Pick<ClientPlan, "name" | "watches">;
  readonly #recorder: Recorder;

  constructor(plan: Pick<ClientPlan, "name" | "watches">, recorder: Recorder) {
    this.#plan = plan;
    this.#recorder = recorder;
  }

  someoneCame(membership: Membership | undefined, frame: Fields, op: "joined" | "left"): void {
    if (!this.#plan.watches || membership === undefined || !membership.isMember || membership.users === null) return;
    const user = textOf(fieldsOf(frame["data"]), "userId");
    this.#recorder.record({ op, client: this.#plan.name, topic: membership.topic, user });
    if (op === "joined") membership.users.add(user);
    else membership.users.delete(user);
  }

  somePeopleCame(membership: Membership | undefined, frame: Fields): void {
    if (!this.#plan.watches || membership === undefined) return;
    this.#recorder.record({ op: "diff", client: this.#plan.name, topic: membership.topic });
    for (const user of listOf(frame, "joined")) membership.users?.add(textOf(user, "userId"));
    for (const user of listOf(frame, "left")) membership.users?.delete(textOf(user, "userId"));
  }

  /** A page of the list; returns where the next one begins, or null. */
  read(membership: Membership | undefined, frame: Fields): string | null {
    if (membership === undefined) return null;
    membership.users ??= new Set();
    for (const user of listOf(frame, "users")) membership.users.add(textOf(user, "userId"));
    return typeof frame["next"] === "string" ? frame["next"] : null;
  }
}
