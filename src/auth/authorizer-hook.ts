import * as v from "valibot";
import type { Clock } from "../observe/clock.ts";
import type { Log } from "../observe/log.ts";
import type { Metrics } from "../observe/metrics.ts";
import type { GrantedAction, Principal } from "../protocol/principal.ts";
import { AuthorizerFailure } from "./authorizer-failure.ts";
import { boundedBody } from "./bounded-body.ts";
import { type Question, QuestionQueue, type QueueBounds } from "./question-queue.ts";

const BOUNDS: QueueBounds = { timeoutMs: 2_000, maxRequests: 64, maxWaiting: 1_024 };
const MAX_BODY_BYTES = 8_192;
const LOG_INTERVAL_MS = 1_000;

const answerSchema = v.object({ allowed: v.boolean() });

export interface HookOptions {
  readonly url: string;
  /** Says who asks, as `Authorization: Bearer`; null: nothing does. */
  readonly token: string | null;
  readonly bounds?: Partial<QueueBounds>;
}

export interface HookPorts {
  readonly clock: Clock;
  readonly access: {
    /** Of the roles and the claim together. */
    permissionsOf(principal: Principal): readonly string[];
  };
  readonly metrics: Pick<Metrics, "authorizerRequests" | "authorizer">;
  readonly log: Pick<Log, "warn">;
}

/** The backend behind `AUTHORIZER_URL`, which decides who may do what with a topic. */
export class AuthorizerHook {
  readonly #url: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #ports: HookPorts;
  readonly #queue: QuestionQueue;
  /**
   * Questions on their way. Connections of one token share the answers; a principal with other permissions is another object, so none gets
   * an answer about those of before.
   */
  readonly #open = new Map<Principal, Map<string, Promise<boolean>>>();
  #unlogged = 0;
  #loggedAtMs = Number.NEGATIVE_INFINITY;
  #isStopped = false;

  constructor({ url, token, bounds }: HookOptions, ports: HookPorts) {
    this.#url = url;
    this.#headers = {
      "content-type": "application/json",
      accept: "application/json",
      "accept-encoding": "identity",
      "user-agent": "tautline",
      ...(token !== null && { authorization: `Bearer ${token}` }),
    };
    this.#ports = ports;
    const request = (question: Question): Promise<boolean> => this.#request(question);
    this.#queue = new QuestionQueue({ ...BOUNDS, ...bounds }, ports.clock, request);
  }

  /** Questions that are asked, or wait for a place. */
  get openQuestions(): number {
    return this.#queue.requests + this.#queue.waiting;
  }

  /** Rejects with `AuthorizerFailure` when there is no answer in time. */
  check(principal: Principal, action: GrantedAction, topic: string): Promise<boolean> {
    const key = `${action} ${topic}`;
    const questions = this.#open.get(principal) ?? new Map<string, Promise<boolean>>();
    const known = questions.get(key);
    if (known !== undefined) return known;
    const answer = this.#ask(principal, action, topic).finally(() => {
      questions.delete(key);
      if (questions.size === 0) this.#open.delete(principal);
    });
    this.#open.set(principal, questions.set(key, answer));
    return answer;
  }

  /** Ends what is on its way: those questions are answered by a failure. */
  stop(): void {
    this.#isStopped = true;
    this.#queue.stop();
  }

  async #ask(principal: Principal, action: GrantedAction, topic: string): Promise<boolean> {
    const { clock, metrics, access } = this.#ports;
    const { wireId: userId, username, roles } = principal;
    const body = JSON.stringify({
      userId,
      username,
      roles,
      permissions: access.permissionsOf(principal),
      action,
      topic,
    });
    const startedMs = clock.monotonic();
    try {
      const isAllowed = await this.#queue.ask(body);
      metrics.authorizerRequests.add(isAllowed ? "allowed" : "denied");
      return isAllowed;
    } catch (error) {
      const failure = error instanceof AuthorizerFailure ? error : new AuthorizerFailure("failed", detailOf(error));
      metrics.authorizerRequests.add(failure.reason);
      this.#report(failure);
      throw failure;
    } finally {
      metrics.authorizer.observe((clock.monotonic() - startedMs) / 1_000);
    }
  }

  async #request({ body, signal }: Question): Promise<boolean> {
    const response = await this.#post(body, signal);
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new AuthorizerFailure("failed", `status ${response.status}`);
    }
    const answer = await boundedBody(response, MAX_BODY_BYTES);
    if (answer === null) throw new AuthorizerFailure("failed", "too large");
    return v.parse(answerSchema, JSON.parse(answer.toString("utf8"))).allowed;
  }

  async #post(body: string, signal: AbortSignal): Promise<Response> {
    const init = { method: "POST", headers: this.#headers, body, signal, redirect: "manual" } as const;
    try {
      return await fetch(this.#url, init);
    } catch (error) {
      // An idle connection that the other side closes in the moment in which it is used again says nothing about the hook.
      if (signal.aborted || codeOf(error) !== "ECONNRESET") throw error;
      return fetch(this.#url, init);
    }
  }

  /** Once a second, with the number of those that were not logged before it. */
  #report({ reason, detail }: AuthorizerFailure): void {
    if (this.#isStopped) return;
    this.#unlogged += 1;
    const nowMs = this.#ports.clock.monotonic();
    if (nowMs - this.#loggedAtMs < LOG_INTERVAL_MS) return;
    this.#ports.log.warn(
      { reason, detail, failures: this.#unlogged },
      "the authorizer gave no answer: access is denied",
    );
    this.#unlogged = 0;
    this.#loggedAtMs = nowMs;
  }
}

/** Null without a URL: the rules alone decide. */
export function hookOf(
  { authorizerUrl: url, authorizerToken: token }: { authorizerUrl: string | null; authorizerToken: string | null },
  ports: HookPorts,
): AuthorizerHook | null {
  return url === null ? null : new AuthorizerHook({ url, token }, ports);
}

function detailOf(error: unknown): string | null {
  if (error instanceof SyntaxError || v.isValiError(error)) return "malformed";
  return codeOf(error);
}

function codeOf(error: unknown): string | null {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : null;
}
