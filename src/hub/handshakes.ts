import type { Authenticator } from "../auth/authenticate.ts";
import type { OriginPolicy } from "../auth/origin.ts";
import type { Credential, HandshakeView } from "../auth/sources.ts";
import type { Accept, Handshake, Refuse } from "../engine/engine.ts";
import type { Clock } from "../observe/clock.ts";
import type { HandshakeFields } from "../observe/log.ts";
import { type ErrorCode, ProtocolError } from "../protocol/codes.ts";
import type { Principal } from "../protocol/principal.ts";
import { queryParameters, queryValue } from "../protocol/query.ts";
import { negotiate } from "../protocol/subprotocol.ts";
import type { Addresses, ClientAddress } from "./address.ts";
import { Connection } from "./connection.ts";
import { Deprecations } from "./deprecations.ts";
import type { Endpoint, FoundEndpoint } from "./endpoints.ts";
import { findEndpoint } from "./endpoints.ts";
import { asProtocolError } from "./errors.ts";
import { HandshakeLimit } from "./handshake-limit.ts";
import type { Hub } from "./hub.ts";
import { type Parameters, readParameters } from "./parameters.ts";

export interface HandshakeOptions {
  readonly handshakesPerSecond: number;
  readonly handshakeBurst: number;
  /** Null: no limit but the machine's. */
  readonly maxConnections: number | null;
}

export interface HandshakePorts {
  readonly addresses: Addresses;
  /** The credential of a handshake; null when there is none. Throws BAD_REQUEST. */
  readonly findCredential: (view: HandshakeView, readsCookies: boolean) => Credential | null;
  readonly origins: OriginPolicy;
  readonly authenticator: Authenticator;
  readonly clock: Clock;
  /** The HTTP answer for an error: its status, and the body every HTTP error has. */
  readonly refusal: (error: ProtocolError) => Refuse;
  readonly access: (record: HandshakeFields) => void;
  readonly warn: (fields: object, message: string) => void;
  /** Why this node takes no connections now; null while it does. */
  readonly admission: (nowMs: number) => "DRAINING" | "OVERLOADED" | "UNAVAILABLE" | null;
}

interface UpgradeRequest {
  readonly handshake: Handshake;
  readonly client: ClientAddress;
  readonly startedMs: number;
  readonly found: FoundEndpoint | undefined;
  /** What the decision has found out so far: a refusal tells whose it was. */
  parameters: Parameters | null;
  credential: Credential | null;
  principal: Principal | null;
}

/** Decides every upgrade request: synchronous unless the token's check really waits. */
export class Handshakes {
  readonly #options: HandshakeOptions;
  readonly #hub: Hub;
  readonly #ports: HandshakePorts;
  readonly #limit: HandshakeLimit;
  readonly #deprecations: Deprecations;
  readonly #idPrefix = crypto.randomUUID().slice(0, 8);
  #count = 0;

  constructor(options: HandshakeOptions, hub: Hub, ports: HandshakePorts) {
    this.#options = options;
    this.#hub = hub;
    this.#ports = ports;
    this.#limit = new HandshakeLimit({ perSecond: options.handshakesPerSecond, burst: options.handshakeBurst });
    this.#deprecations = new Deprecations(ports.warn);
  }

  /** Addresses whose limit is not full again. */
  get limitedAddresses(): number {
    return this.#limit.size;
  }

  sweep(): void {
    this.#limit.sweep(this.#ports.clock.monotonic());
  }

  upgrade(handshake: Handshake): Accept<Connection> | Refuse | Promise<Accept<Connection> | Refuse> {
    const request: UpgradeRequest = {
      handshake,
      client: this.#ports.addresses.find(handshake.peerAddress, (name) => handshake.header(name)),
      startedMs: this.#ports.clock.monotonic(),
      found: findEndpoint(handshake.path),
      parameters: null,
      credential: null,
      principal: null,
    };
    try {
      const principal = this.#authenticate(request);
      if (!(principal instanceof Promise)) return this.#accept(request, principal);
      return principal
        .then((known) => {
          this.#checkCapacity(this.#ports.clock.monotonic()); // Others came while this one waited.
          return this.#accept(request, known);
        })
        .catch((error: unknown) => this.#refuse(request, error));
    } catch (error) {
      return this.#refuse(request, error);
    }
  }

  /** What the engine refused before anybody was asked. */
  malformed(handshake: Handshake, status: number): void {
    const client = this.#ports.addresses.find(handshake.peerAddress, (name) => handshake.header(name));
    const startedMs = this.#ports.clock.monotonic();
    const code = MALFORMED.get(status) ?? "BAD_REQUEST";
    this.#hub.trail.refused(code, { client, userAgent: handshake.header("user-agent") });
    this.#record(
      { handshake, client, startedMs, found: undefined, parameters: null, credential: null, principal: null },
      status,
      code,
      null,
    );
  }

  /** Null: nobody yet, on an endpoint where the first frame may say it. */
  #authenticate(request: UpgradeRequest): Principal | null | Promise<Principal> {
    const { handshake, client, found } = request;
    if (found === undefined) throw new ProtocolError("NOT_FOUND");
    const { endpoint } = found;
    this.#admit(client, request.startedMs);
    request.parameters = readParameters(found, handshake.query);
    const credential = this.#ports.findCredential(handshake, endpoint.readsCookies);
    request.credential = credential;
    this.#ports.origins.check(handshake, credential?.kind === "cookie", client.isProxied);
    if (credential !== null)
      return this.#ports.authenticator.authenticate(credential, client.key, { client, endpoint, handshake });
    if (!endpoint.authenticatesByFrame) throw new ProtocolError("AUTH_REQUIRED");
    return null;
  }

  /** Whether this node takes any connection now. */
  #checkCapacity(nowMs: number): void {
    const refusal = this.#ports.admission(nowMs);
    if (refusal !== null) throw new ProtocolError(refusal);
    const { maxConnections } = this.#options;
    const { connections, accepted } = this.#hub;
    if (maxConnections !== null && connections.size + accepted.size >= maxConnections)
      throw new ProtocolError("OVERLOADED");
  }

  /** The same, and whether this address may have one more. */
  #admit(client: ClientAddress, nowMs: number): void {
    this.#checkCapacity(nowMs);
    if (client.key === null) return;
    const retryAfterMs = this.#limit.take(client.key, nowMs, Math.random());
    if (retryAfterMs > 0) throw new ProtocolError("RATE_LIMITED", { retryAfterMs });
  }

  #accept(request: UpgradeRequest, principal: Principal | null): Accept<Connection> {
    const { found, parameters } = request;
    if (found === undefined) throw new ProtocolError("NOT_FOUND");
    request.principal = principal;
    const userId = parameters?.userId ?? null;
    if (userId !== null && userId !== principal?.id) throw new ProtocolError("FORBIDDEN");
    const accept = this.#connect(request, found.endpoint, principal);
    const connection = accept.session;
    if (principal === null) {
      this.#hub.pending.enter(connection);
    } else {
      connection.user = this.#hub.users.admit(principal.id);
      this.#hub.metrics.authentications.add("OK");
      if (found.endpoint.deprecation !== null) this.#deprecations.used(found.endpoint, principal.id);
    }
    this.#record(request, 101, "OK", connection);
    return accept;
  }

  #connect(
    { handshake, client, credential, parameters }: UpgradeRequest,
    endpoint: Endpoint,
    principal: Principal | null,
  ): Accept<Connection> {
    const query = queryParameters(handshake.query);
    const offer = handshake.header("sec-websocket-protocol");
    const offersToken = credential?.kind === "subprotocol";
    const { codec, subprotocol } = negotiate(offer, queryValue(query, "format"), offersToken);
    this.#count += 1;
    const session = new Connection({
      id: `${this.#idPrefix}-${this.#count.toString(36)}`,
      endpoint,
      codec,
      client,
      sendsPingFrames: queryValue(query, "heartbeat") === "message",
      pingSlot: this.#hub.nextPingSlot(),
      principal: principal === null ? null : this.#hub.overrides.apply(principal),
      bearer: principal,
      topics: parameters?.topics ?? NONE,
      echo: parameters?.echo ?? null,
      userAgent: handshake.header("user-agent"),
    });
    this.#hub.accepted.add(session);
    const { deprecation } = endpoint;
    return deprecation === null ? { session, subprotocol } : { session, subprotocol, headers: deprecation };
  }

  /** Instead of the upgrade, or behind it where the endpoint tells its verdict on a token that way. */
  #refuse(request: UpgradeRequest, failure: unknown): Accept<Connection> | Refuse {
    const { handshake, client, found, principal } = request;
    const error = asProtocolError(failure, this.#hub.report);
    const userId = principal?.id ?? null;
    if (found !== undefined && found.endpoint.refusesBy !== "status" && VERDICTS.has(error.code)) {
      // A browser that offered subprotocols and is answered none fails the connection: it would not see the verdict.
      const accept = this.#connect(request, found.endpoint, null);
      accept.session.doom = { error, userId };
      this.#record(request, 101, error.code, accept.session);
      return accept;
    }
    const refusal = this.#ports.refusal(
      this.#hub.turnedAway.told(error, this.#hub.isDraining ? this.#hub.connections.size : 0),
    );
    this.#hub.metrics.errors.add(error.code);
    this.#hub.trail.refused(error.code, { client, userAgent: handshake.header("user-agent"), userId });
    this.#record(request, refusal.status, error.code, null);
    const deprecation = found?.endpoint.deprecation ?? null;
    return deprecation === null ? refusal : { ...refusal, headers: { ...refusal.headers, ...deprecation } };
  }

  #record(
    { handshake, client, startedMs, principal }: UpgradeRequest,
    status: number,
    code: string,
    connection: Connection | null,
  ): void {
    this.#hub.metrics.handshakes.add(code);
    this.#ports.access({
      path: handshake.path,
      address: client.address,
      userAgent: handshake.header("user-agent"),
      status,
      code,
      connectionId: connection?.id ?? null,
      userId: principal?.id ?? null,
      durationMs: this.#ports.clock.monotonic() - startedMs,
    });
  }
}

const NONE: readonly string[] = [];

const MALFORMED: ReadonlyMap<number, ErrorCode> = new Map([
  [405, "METHOD_NOT_ALLOWED"],
  [426, "UPGRADE_REQUIRED"],
]);

/** What is said about a token; everything else stays an HTTP answer on every endpoint. */
const VERDICTS: ReadonlySet<string> = new Set([
  "AUTH_REQUIRED",
  "AUTH_FAILED",
  "TOKEN_EXPIRED",
  "FORBIDDEN",
  "CONNECTION_LIMIT",
]);
