import { compileAccess } from "../access.ts";
import { createOriginPolicy } from "../auth/origin.ts";
import { type PrincipalInput, principalFrom, type User, userOf } from "../auth/principal-input.ts";
import { ValidatedTokens } from "../auth/token-validator.ts";
import { ConfigError, configured, inOptions } from "../config.ts";
import { Addresses } from "../hub/address.ts";
import { authenticatorOf, type Standing } from "../credentials.ts";
import { createAudit } from "../observe/audit.ts";
import { systemClock } from "../observe/clock.ts";
import { createLog } from "../observe/log.ts";
import { createSink } from "../observe/sink.ts";
import type { GrantedAction } from "../protocol/principal.ts";
import type { AuthorizedSocket } from "./authorized-socket.ts";
import { MessageAuth, type MessageOutcome } from "./message-auth.ts";
import { type Checked, checkOptions, type Decisions, type ServerSettings } from "./options.ts";
import { authorizerOf } from "./permission-checker.ts";
import { isPermitted } from "./topic-permission.ts";
import { UpgradeAuth, type UpgradeContext } from "./upgrade-auth.ts";

/** The settings that mean something without a server of ours. */
const SETTINGS = [
  ...(["jwtSecret", "jwtPublicKey", "jwksUrl", "jwtAlgorithms", "jwtIssuer", "jwtAudience", "jwtTyp"] as const),
  ...(["jwtUserIdClaim", "clockToleranceS", "maxTokenLifetimeS", "defaultRole", "cookieName", "tokenInQuery"] as const),
  ...(["allowedOrigins", "trustedProxies", "forwardedHeader", "authFailuresPerMinute"] as const),
  ...(["handshakesPerSecond", "handshakeBurst", "messagesPerSecond", "messageBurst"] as const),
  ...(["maxTopicsPerConnection", "maxPendingConnections", "nodeId", "logLevel"] as const),
] as const satisfies readonly (keyof ServerSettings)[];

/** These functions issue nothing that could be redeemed or revoked. */
const NOTHING_ISSUED: Standing = {
  accounts: null,
  revocations: { size: 0, find: () => null },
  isKnown: () => true,
  tickets: { redeem: () => null, sweep: () => undefined },
};

/** Options of `createWebSocketAuth`: where tokens come from, what they must be, and who may do what. */
export type WebSocketAuthOptions = Pick<ServerSettings, (typeof SETTINGS)[number]> & Decisions;

/** Authentication and authorization for a WebSocket server that the application has already. The functions need no `this`. */
export interface WebSocketAuth {
  /**
   * Before the upgrade: finds the token (header, subprotocol `auth`, query, cookie), checks it, and remembers whose it is for this very
   * `Request`. Resolves with the answer to give instead of the upgrade (401, 403, 429, 503 with the error as JSON), or with undefined.
   */
  readonly authenticateConnection: (context: UpgradeContext) => Promise<Response | undefined>;
  /**
   * A message of a client, decoded: `subscribe`, `unsubscribe` and `publish` are checked, done on the native topics of the server, and
   * answered; everything else is answered with an error. Returns nothing, so that nothing more is sent.
   */
  readonly authorizeMessage: (ws: AuthorizedSocket, message: unknown) => void | Promise<void>;
  /** The same for a handler with message types of its own: `other` is what it has to look at itself. */
  readonly handleMessage: (ws: AuthorizedSocket, message: unknown) => MessageOutcome | Promise<MessageOutcome>;
  /**
   * Whether a user may do it, by the rules or by `permissionChecker`. Where members may, it says whether the user may become one.
   * Throws a `TypeError` for what is no user.
   */
  readonly checkTopicPermission: (user: PrincipalInput, topic: string, action: GrantedAction) => Promise<boolean>;
  /** Whose connection it is; null when it was not authenticated here. */
  readonly userOf: (connection: { readonly data: { readonly request: Request } }) => User | null;
}

/**
 * The checks of the server for another one: Elysia's `ws`, or `Bun.serve`. Throws `ConfigError` with everything that is wrong with the
 * options. Security events go to the log as JSON lines with `"audit": true`.
 */
export function createWebSocketAuth(options: WebSocketAuthOptions): WebSocketAuth {
  try {
    return webSocketAuthOf(options, check(options));
  } catch (error) {
    throw inOptions(error);
  }
}

function check(options: WebSocketAuthOptions): Checked {
  const { tokenValidator, permissionChecker, namespaces, permissions, publicTopics, logTarget, ...settings } = options;
  const strange = Object.keys(settings).filter((name) => !SETTINGS.some((known) => known === name));
  if (strange.length > 0) throw new ConfigError(strange.map((name) => ({ name, problem: "is not an option here" })));
  const decisions = { tokenValidator, permissionChecker, namespaces, permissions, publicTopics, logTarget };
  return checkOptions(settings, decisions, { tokenValidator, permissionChecker });
}

function webSocketAuthOf(options: WebSocketAuthOptions, { config, logTarget }: Checked): WebSocketAuth {
  const { tokenValidator, permissionChecker } = options;
  const { nodeId, defaultRole } = config;
  const clock = systemClock;
  const sink = createSink({ target: logTarget, clock });
  const log = createLog({ level: config.logLevel, nodeId, sink, clock });
  const report = (error: unknown, correlationId: string): void =>
    log.error({ error, correlationId }, "unexpected failure");
  const own = configured(() => authenticatorOf(config, clock, NOTHING_ISSUED));
  const ports = {
    ...{ clock, report, audit: createAudit(sink, { nodeId, marked: true }, clock) },
    access: compileAccess({ ...config.access, hasAuthorizer: permissionChecker !== undefined }),
    authorizer: permissionChecker === undefined ? null : authorizerOf(permissionChecker, { clock, report }),
    authenticator:
      tokenValidator === undefined ? own : new ValidatedTokens(own, tokenValidator, config, { clock, report }),
    origins: configured(() => createOriginPolicy(config.allowedOrigins)),
    addresses: new Addresses(config, (peer) => log.warn({ peer }, "a proxy that trustedProxies does not name")),
  };
  const messages = { perSecond: config.messagesPerSecond, burst: config.messageBurst };
  const handshakes = { perSecond: config.handshakesPerSecond, burst: config.handshakeBurst };
  const upgrades = new UpgradeAuth({ sources: config, handshakes, messages }, ports);
  const topics = new MessageAuth({ ...config, messages }, ports);

  return {
    authenticateConnection: async (context) => upgrades.decide(context),
    authorizeMessage(ws, message) {
      const outcome = topics.handle(ws, upgrades.sessionOf(ws.data.request), message, true);
      return outcome instanceof Promise ? outcome.then(() => undefined) : undefined;
    },
    handleMessage: (ws, message) => topics.handle(ws, upgrades.sessionOf(ws.data.request), message, false),
    async checkTopicPermission(user, topic, action) {
      const principal = principalFrom(user, defaultRole, Number.NEGATIVE_INFINITY);
      const mayJoin = (): boolean => ports.access.may(principal, "read", topic) === "yes";
      try {
        return await isPermitted(ports, principal, action, topic, mayJoin);
      } catch {
        return false; // The authorizer has logged why.
      }
    },
    userOf(connection) {
      const session = upgrades.sessionOf(connection.data.request);
      return session === undefined ? null : userOf(session.principal);
    },
  };
}
