import type { Audit, AuditEventName, AuditResult } from "../observe/audit.ts";
import type { Metrics } from "../observe/metrics.ts";
import { type ErrorCode, ERRORS } from "../protocol/codes.ts";
import type { ClientAddress } from "./address.ts";
import type { Connection } from "./connection.ts";

/** Who was not let in, as far as it is known. */
interface Refused {
  readonly client: ClientAddress;
  readonly userAgent: string | null;
  readonly connectionId?: string | null;
  readonly userId?: string | null;
}

/** Who gave an order about users: the backend by its key or a token, the application that this node is part of, or the node itself. */
export interface Actor {
  readonly by: "key" | "token" | "application" | "node";
  readonly userId: string | null;
  readonly address: string | null;
  readonly userAgent: string | null;
}

/** Nobody asked this node: it does its part of an order that another one got, or what time brings. */
export const NODE: Actor = { by: "node", userId: null, address: null, userAgent: null };

type About = Readonly<Record<string, string | number>>;

/** What is said about a credential, rather than about the place where it was shown. */
const VERDICTS: ReadonlySet<ErrorCode> = new Set(["AUTH_REQUIRED", "AUTH_FAILED", "TOKEN_EXPIRED", "FORBIDDEN"]);

/** What the hub tells the audit log, and counts where both go together: each event once, with who, from where and on which connection. */
export class AuditTrail {
  readonly #audit: Audit;
  readonly #metrics: Metrics;

  constructor(audit: Audit, metrics: Metrics) {
    this.#audit = audit;
    this.#metrics = metrics;
  }

  record(
    event: AuditEventName,
    connection: Connection,
    result: AuditResult,
    code: string | number,
    about?: About,
  ): void {
    this.#audit.record({
      event,
      connectionId: connection.id,
      userId: connection.principal?.id ?? null,
      address: connection.client.address,
      userAgent: connection.userAgent,
      result,
      code,
      about,
    });
  }

  accepted(connection: Connection): void {
    this.record("connection.accepted", connection, "ok", "OK");
    connection.userAgent = null;
    connection.wasAccepted = true;
  }

  /** Somebody was not let in: by the HTTP status of a handshake, or by a frame and a close code. Counted and audited once, alike. */
  refused(code: ErrorCode, { client, userAgent, connectionId = null, userId = null }: Refused): void {
    if (VERDICTS.has(code)) this.#metrics.authentications.add(code);
    const event = ERRORS[code].status === 401 ? "auth.failed" : "connection.refused";
    this.#audit.record({ event, connectionId, userId, address: client.address, userAgent, result: "refused", code });
  }

  /** An order that was carried out. */
  commanded(event: AuditEventName, { by, ...actor }: Actor, about: About): void {
    this.#audit.record({ event, ...actor, result: "ok", code: "OK", about: { by, ...about } });
  }

  slowConsumer(connection: Connection): void {
    this.#metrics.counters.slowConsumers += 1;
    this.record("slow.consumer", connection, "refused", "SLOW_CONSUMER");
  }
}
