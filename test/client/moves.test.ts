import { afterEach, describe, expect, test } from "bun:test";
import { MOVES, type State, type Trigger } from "../../src/client/connection-state.ts";
import { ClientRig, networkIsBack, settled } from "../support/client-rig.ts";

/** Every move of the table, and every one that is not in it, made by what happens to a client. */

afterEach(() => ClientRig.closeAll());

const STATES = ["asking", "opening", "greeting", "connected", "waiting", "refused", "closed"] as const;
const TRIGGERS = ["given", "opened", "greeted", "lost", "stopped", "due", "online", "reconnectNow", "close"] as const;

/** A client whose tokens come when the test gives them. */
class Traveller {
  readonly #tokens: PromiseWithResolvers<string>[] = [];
  readonly rig = new ClientRig({
    token: () => {
      const asked = Promise.withResolvers<string>();
      this.#tokens.push(asked);
      return asked.promise;
    },
  });
  #isOpen = false;

  get state(): State {
    const { status } = this.rig.client;
    if (status.state === "closed") return status.code === 1000 ? "closed" : "refused";
    if (status.state !== "connecting") return status.state;
    if (this.rig.sockets.made.length < this.#tokens.length) return "asking";
    return this.#isOpen ? "greeting" : "opening";
  }

  /** What causes it; nothing where it cannot come in that state. */
  readonly causes: Readonly<Record<Trigger, () => void>> = {
    given: () => this.#tokens.at(-1)?.resolve("token"),
    opened: () => {
      this.#isOpen = true;
      this.rig.sockets.made.at(-1)?.open();
    },
    greeted: () => this.rig.sockets.made.at(-1)?.greet(),
    lost: () => {
      if (this.state === "asking") this.#tokens.at(-1)?.reject(new Error("no token"));
      else this.#end(1006);
    },
    stopped: () => this.#end(4003),
    due: () => this.rig.clock.advance(250),
    online: networkIsBack,
    reconnectNow: () => this.rig.client.reconnectNow(),
    close: () => void this.rig.client.close(),
  };

  async goTo(state: State): Promise<this> {
    const ways: Readonly<Record<State, readonly Trigger[]>> = {
      asking: [],
      opening: ["given"],
      greeting: ["given", "opened"],
      connected: ["given", "opened", "greeted"],
      waiting: ["lost"],
      refused: ["given", "opened", "greeted", "stopped"],
      closed: ["close"],
    };
    await settled();
    for (const trigger of ways[state]) await this.happens(trigger);
    expect(this.state).toBe(state);
    return this;
  }

  async happens(trigger: Trigger): Promise<void> {
    this.causes[trigger]();
    await settled();
  }

  #end(code: number): void {
    this.#isOpen = false;
    this.rig.sockets.made.at(-1)?.end(code);
  }
}

describe.each(STATES)("a connection that is %s", (state) => {
  test.each(Object.entries(MOVES[state]))("%s brings it to %s", async (name, to) => {
    const [trigger] = TRIGGERS.filter((each) => each === name);
    if (trigger === undefined) throw new RangeError(name);
    const traveller = await new Traveller().goTo(state);
    await traveller.happens(trigger);
    expect(traveller.state).toBe(to);
  });

  test("is moved by nothing else", async () => {
    const traveller = await new Traveller().goTo(state);
    for (const trigger of TRIGGERS.filter((each) => !(each in MOVES[state]))) {
      // An upgrade that is refused has no code that could say stop.
      if (state === "opening" && trigger === "stopped") continue;
      await traveller.happens(trigger);
      expect([trigger, traveller.state]).toEqual([trigger, state]);
    }
  });
});
