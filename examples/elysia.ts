import { Elysia } from "elysia";
import { jwtVerify } from "jose";
import { createWebSocketAuth, type PermissionChecker, ProtocolError, type TokenValidator } from "tautline";

/**
 * Elysia with its own WebSocket route: Tautline checks who connects, and what they subscribe and publish to.
 *
 *   JWT_SECRET=… PORT=3000 bun examples/elysia.ts
 */

const { JWT_SECRET, PORT } = process.env;
if (JWT_SECRET === undefined) throw new Error("JWT_SECRET is not set");
const key = new TextEncoder().encode(JWT_SECRET);

const jwtValidator: TokenValidator = async (token) => {
  const verified = await jwtVerify(token, key, { algorithms: ["HS256"] }).catch((error: unknown) => {
    const isExpired = error instanceof Error && error.name === "JWTExpired";
    throw new ProtocolError(isExpired ? "TOKEN_EXPIRED" : "AUTH_FAILED");
  });
  const { sub, exp } = verified.payload;
  return sub === undefined ? null : { id: sub, expiresAt: exp === undefined ? null : exp * 1_000 };
};

/** In the place of a library for abilities: everybody may talk in rooms, and read what is addressed to them. */
const caslChecker: PermissionChecker = (user, topic, action) =>
  topic.startsWith("room:") || (action === "read" && topic === `user:${user.id}`);

// Create WebSocket auth middleware
const wsAuth = createWebSocketAuth({
  tokenValidator: jwtValidator,
  permissionChecker: caslChecker,
  logTarget: 2,
});

const app = new Elysia();

// Use in WebSocket server
app.ws("/realtime", {
  beforeHandle: [wsAuth.authenticateConnection],
  message: wsAuth.authorizeMessage,
});

/** The application publishes by its own server: whoever was allowed to subscribe receives it. */
app.post("/notify/:id", ({ params: { id }, server }) => {
  const topic = `user:${id}`;
  const event = { type: "notification", topic, data: { title: "Hello" }, timestamp: Date.now() };
  return { receivers: server?.publish(topic, JSON.stringify(event)) === 0 ? 0 : 1 };
});

app.listen({ port: Number(PORT ?? 3000), hostname: "127.0.0.1" });
console.log(`listens on ${app.server?.url.origin}`);
process.once("SIGTERM", () => void app.stop(true));
process.once("SIGINT", () => void app.stop(true));
