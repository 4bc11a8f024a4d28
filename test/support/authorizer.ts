import type { Authorizer } from "../../src/hub/permission.ts";
import type { GrantedAction, Principal } from "../../src/protocol/principal.ts";

/** An authorizer that answers when the test does. */

interface HeldQuestion {
  readonly principal: Principal;
  readonly action: GrantedAction;
  readonly topic: string;
  answer(isAllowed: boolean): void;
  fail(): void;
}

export class HeldAuthorizer implements Authorizer {
  /** Without an answer yet, oldest first. */
  readonly open: HeldQuestion[] = [];
  /** All that were ever asked: `read room:a`. */
  readonly all: string[] = [];

  check(principal: Principal, action: GrantedAction, topic: string): Promise<boolean> {
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    this.all.push(`${action} ${topic}`);
    this.open.push({ principal, action, topic, answer: resolve, fail: () => reject(new Error("away")) });
    return promise;
  }

  /** The oldest question without an answer. */
  next(): HeldQuestion {
    const question = this.open.shift();
    if (question === undefined) throw new Error("nothing is asked");
    return question;
  }

  /** Answers everything that waits. */
  answerAll(isAllowed: (topic: string) => boolean): void {
    for (const question of this.open.splice(0)) question.answer(isAllowed(question.topic));
  }
}
