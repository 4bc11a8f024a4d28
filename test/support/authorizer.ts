import type { Authorizer } from "../../src/hub/permission.ts";

/** Answers when a test lets it: what it was asked waits in order. */
export class HeldAuthorizer implements Authorizer {
  readonly asked: {
    readonly topic: string;
    readonly roles: readonly string[];
    answer: (isAllowed: boolean) => void;
  }[] = [];

  check: Authorizer["check"] = ({ roles }, _action, topic) => {
    return new Promise((resolve) => this.asked.push({ topic, roles, answer: resolve }));
  };

  /** Answers everything that waits. */
  answerAll(isAllowed: (topic: string) => boolean): void {
    for (const { topic, answer } of this.asked.splice(0)) answer(isAllowed(topic));
  }
}
