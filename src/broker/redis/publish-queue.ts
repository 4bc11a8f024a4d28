import { ProtocolError } from "../../protocol/codes.ts";
import type { MessageBody } from "../../protocol/codec.ts";
import type { Position } from "../broker.ts";
import { KIND_LETTERS } from "./bus-message.ts";
import { newLineage } from "./lineage.ts";
import type { RedisLink } from "./link.ts";
import type { PublishScript } from "./publish-script.ts";

/** Of one script: Redis does nothing else meanwhile. */
const MAX_TOGETHER = 32;
const MAX_LENGTH_TOGETHER = 131_072;
/** Messages that Redis has not answered for, and how long they are together. */
export const MAX_PENDING = 20_000;
export const MAX_PENDING_LENGTH = 67_108_864;

export interface QueuedMessage {
  readonly meta: string;
  readonly stream: string;
  /** Where its id is remembered; any key when it has none. */
  readonly used: string;
  readonly channel: string;
  readonly body: MessageBody;
  readonly keepsHistory: boolean;
  /** Of its content; "" when it has no id. */
  readonly hash: string;
}

interface Batch {
  readonly keys: string[];
  readonly args: string[];
  readonly waiting: PromiseWithResolvers<Position>[];
  /** Of all bodies. */
  length: number;
}

const POSITION = /^(\d{1,16}) ([A-Za-z0-9_.-]{1,64})$/;

/**
 * Messages on their way to one Redis. The first of a turn of the event loop is sent at once, those that come behind it in the same turn together: a command
 * costs the node and Redis more than a message does. All leave with the turn, so nobody waits for others.
 */
export class PublishQueue {
  readonly #link: RedisLink;
  readonly #script: PublishScript;
  #batch: Batch = newBatch();
  #pending = 0;
  #pendingLength = 0;
  #isTurnTaken = false;

  constructor(link: RedisLink, script: PublishScript) {
    this.#link = link;
    this.#script = script;
    link.teach(script);
  }

  /** Rejects MESSAGE_ID_REUSED, PUBLISH_FAILED. */
  take({ meta, stream, used, channel, body, keepsHistory, hash }: QueuedMessage): Promise<Position> {
    const { length } = body.json;
    if (this.#pending >= MAX_PENDING || this.#pendingLength + length > MAX_PENDING_LENGTH)
      return Promise.reject(new ProtocolError("PUBLISH_FAILED"));
    this.#pending += 1;
    this.#pendingLength += length;
    const batch = this.#batch;
    batch.length += length;
    batch.keys.push(meta, stream, used);
    batch.args.push(channel, KIND_LETTERS[body.kind] + (keepsHistory ? "1" : "0"), body.json, hash);
    const answered = Promise.withResolvers<Position>();
    batch.waiting.push(answered);
    if (!this.#isTurnTaken) {
      this.#isTurnTaken = true;
      // Before the library plans its own write of this turn, which then has all of them in it.
      setImmediate(this.#endTurn);
      this.#send();
    } else if (batch.waiting.length >= MAX_TOGETHER || batch.length >= MAX_LENGTH_TOGETHER) this.#send();
    return answered.promise;
  }

  readonly #endTurn = (): void => {
    this.#isTurnTaken = false;
    if (this.#batch.waiting.length > 0) this.#send();
  };

  #send(): void {
    const batch = this.#batch;
    this.#batch = newBatch();
    const names = { run: this.#link.runId, newLineage: newLineage() };
    this.#link.run(this.#script, {}, names, batch).then(
      (answer) => this.#settle(batch, Array.isArray(answer) ? answer : []),
      () => this.#settle(batch, []),
    );
  }

  #settle({ waiting, length }: Batch, answers: readonly unknown[]): void {
    this.#pending -= waiting.length;
    this.#pendingLength -= length;
    for (const [index, answered] of waiting.entries()) settleOne(answered, answers[index]);
  }
}

function newBatch(): Batch {
  return { keys: [], args: [], waiting: [], length: 0 };
}

/** Anything but a position is something else than the script says of a message that it has taken. */
function settleOne(answered: PromiseWithResolvers<Position>, answer: unknown): void {
  const found = typeof answer === "string" ? POSITION.exec(answer) : null;
  if (found !== null) answered.resolve({ offset: Number(found[1]), epoch: found[2] ?? "" });
  else answered.reject(new ProtocolError(answer === "REUSED" ? "MESSAGE_ID_REUSED" : "PUBLISH_FAILED"));
}
