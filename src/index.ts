/** What an application imports. Source: docs/embedding.md. */

export { createServer, type ServerBuilder } from "./embedding/create-server.ts";
export type { FollowersOf, ListenTarget, ServerOptions } from "./embedding/server-options.ts";
export type { PermissionInput, PublishOptions, RevocationInput, Server } from "./embedding/server.ts";
export type { ClientConnection, FrameToClient } from "./embedding/client-connection.ts";
export type { ConnectionCallbacks, OwnMessage } from "./embedding/callbacks.ts";
export type { PermissionChecker } from "./embedding/permission-checker.ts";
export type { AccessInputs, ServerSettings } from "./embedding/options.ts";

export { createWebSocketAuth, type WebSocketAuth, type WebSocketAuthOptions } from "./embedding/websocket-auth.ts";
export type { AuthorizedSocket } from "./embedding/authorized-socket.ts";
export type { MessageOutcome } from "./embedding/message-auth.ts";
export type { UpgradeContext } from "./embedding/upgrade-auth.ts";

export type { Audience, Namespace, Rule } from "./access.ts";
export type { PrincipalInput, User } from "./auth/principal-input.ts";
export type { Handshake, TokenValidator } from "./auth/token-validator.ts";
export { ConfigError, type Problem } from "./config.ts";
export type { Disconnection, Sent } from "./hub/backend.ts";
export type { Reach } from "./hub/changed-permissions.ts";
export type { Published } from "./hub/publishing.ts";
export type { RoomStats } from "./hub/stats.ts";
export { type ErrorCode, ProtocolError } from "./protocol/codes.ts";
export type { GrantedAction } from "./protocol/principal.ts";
