import type { Access } from "../access.ts";
import type { Authenticator } from "../auth/authenticate.ts";
import { asProtocolError, errorContext, errorFrame } from "../hub/errors.ts";
import { type Rate, take } from "../hub/limits.ts";
import type { Authorizer } from "../hub/permission.ts";
import { Verdicts } from "../hub/verdicts.ts";
import type { Audit, AuditEventName } from "../observe/audit.ts";
import type { Clock } from "../observe/clock.ts";
import { ProtocolError } from "../protocol/codes.ts";
import type { GrantedAction } from "../protocol/principal.ts";
import { checkValue, isMap } from "../protocol/value.ts";
import type { AuthSession } from "./auth-session.ts";
import { type AuthorizedSocket, isOpen } from "./authorized-socket.ts";
import { ExpiryWatch } from "./expiry-watch.ts";
import { endGrant, findTopicMessage } from "./topic-messages.ts";
import { isPermitted } from "./topic-permission.ts";

/** `other`: none of the three types that are handled here, and nothing was done about it. */
export type MessageOutcome = "allowed" | "refused" | "other";

export interface MessageOptions {
  readonly messages: Rate;
  readonly maxTopicsPerConnection: number;
  readonly clockToleranceS: number;
}

export interface MessagePorts {
  readonly access: Access;
  readonly authorizer: Authorizer | null;
  readonly authenticator: Authenticator;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly report: (error: unknown, correlationId: string) => void;
}

type Fields = Readonly<Record<string, unknown>>;

/** Decides the messages of sockets that an application has upgraded by itself. */
export class MessageAuth {
  readonly options: MessageOptions;
  readonly ports: MessagePorts;
  readonly watch: ExpiryWatch;

  constructor(options: MessageOptions, ports: MessagePorts) {
    this.options = options;
    this.ports = ports;
    this.watch = new ExpiryWatch({
      clock: ports.clock,
      clockToleranceS: options.clockToleranceS,
      grantEnded: (ws, session, topic) => endGrant(this, ws, session, topic),
    });
  }

  /** Without a session: a connection that nobody has authenticated. `takesAll`: other types are answered with an error. */
  handle(
    ws: AuthorizedSocket,
    session: AuthSession | undefined,
    message: unknown,
    takesAll: boolean,
  ): MessageOutcome | Promise<MessageOutcome> {
    const isOurs = isMap(message) && findTopicMessage(message["type"]) !== undefined;
    if (!isOurs && !takesAll) return "other";
    if (session === undefined) {
      this.#answer(ws, isMap(message) ? message : {}, new ProtocolError("AUTH_REQUIRED"));
      ws.close(4001, "AUTH_REQUIRED");
      return "refused";
    }
    if (session.isFull) {
      ws.close(4029, "RATE_LIMITED");
      return "refused";
    }
    return session.inOrder(() => this.#process(ws, session, message));
  }

  /** Grants of the connection, then the rules or the function of the application, whose answers are kept for a while. */
  isAllowed(
    ws: AuthorizedSocket,
    session: AuthSession,
    action: GrantedAction,
    topic: string,
  ): boolean | Promise<boolean> {
    const { clock, authorizer } = this.ports;
    const isGrantedHere = session.grants !== null && session.grants.find(topic, action, clock.now()) !== null;
    const known = session.verdicts?.get(action, topic, clock.monotonic()) ?? null;
    if (known !== null) return known;
    const settle = (isGranted: boolean, hasFailed = false): boolean => {
      if (authorizer === null) return isGranted;
      session.verdicts ??= new Verdicts();
      session.verdicts.set(action, topic, isGranted, hasFailed, clock.monotonic());
      return isGranted;
    };
    const isMember = (): boolean => ws.isSubscribed(topic);
    const answer = isPermitted(this.ports, session.principal, action, topic, isMember, isGrantedHere);
    return answer instanceof Promise
      ? answer.then(
          (isGranted) => settle(isGranted),
          () => settle(false, true),
        )
      : settle(answer);
  }

  /** Runs `go` when it is allowed. Throws or rejects FORBIDDEN, and NOT_A_MEMBER where anybody could be one. */
  whenAllowed(
    ws: AuthorizedSocket,
    session: AuthSession,
    action: GrantedAction,
    topic: string,
    go: () => void,
  ): void | Promise<void> {
    const decide = (isGranted: boolean): void => {
      if (!isOpen(ws)) return;
      if (isGranted) return go();
      if (this.ports.access.may(session.principal, action, topic) === "members")
        throw new ProtocolError("NOT_A_MEMBER");
      this.record("access.denied", session, "FORBIDDEN", topic);
      throw new ProtocolError("FORBIDDEN");
    };
    const answer = this.isAllowed(ws, session, action, topic);
    return answer instanceof Promise ? answer.then(decide) : decide(answer);
  }

  record(event: AuditEventName, { principal, client }: AuthSession, code: string, topic: string): void {
    const result = code === "OK" ? "ok" : "refused";
    this.ports.audit.record({ event, userId: principal.id, address: client.address, result, code, about: { topic } });
  }

  /** Never throws, never rejects. */
  #process(ws: AuthorizedSocket, session: AuthSession, message: unknown): MessageOutcome | Promise<MessageOutcome> {
    const fields: Fields = isMap(message) ? message : {};
    const refuse = (failure: unknown): MessageOutcome => {
      this.#answer(ws, fields, failure);
      return "refused";
    };
    try {
      if (this.watch.hasEnded(session)) throw new ProtocolError("TOKEN_EXPIRED");
      this.#charge(session);
      const done = this.#run(ws, session, message);
      return done instanceof Promise ? done.then(() => "allowed" as const, refuse) : "allowed";
    } catch (error) {
      const outcome = refuse(error);
      if (this.watch.hasEnded(session)) ws.close(4001, "TOKEN_EXPIRED");
      return outcome;
    }
  }

  #charge(session: AuthSession): void {
    const retryAfterMs = take(session.messages, this.options.messages, 1, this.ports.clock.monotonic());
    if (retryAfterMs > 0) throw new ProtocolError("RATE_LIMITED", { retryAfterMs });
  }

  #run(ws: AuthorizedSocket, session: AuthSession, message: unknown): void | Promise<void> {
    if (!isMap(message) || typeof message["type"] !== "string") throw new ProtocolError("BAD_MESSAGE");
    const run = findTopicMessage(message["type"]);
    if (run === undefined) throw new ProtocolError("UNKNOWN_TYPE");
    checkValue(message);
    return run(this, ws, session, message);
  }

  #answer(ws: AuthorizedSocket, fields: Fields, failure: unknown): void {
    const error = asProtocolError(failure, this.ports.report);
    if (!isOpen(ws)) return;
    ws.send(JSON.stringify(errorFrame(error, errorContext(fields), this.ports.clock.now())));
  }
}
