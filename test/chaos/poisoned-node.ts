import { createServer } from "../../src/index.ts";

/** An application whose handler of its own messages fails, always, and not at once. */

const EVENT = "chaos.poison";

const server = await createServer({
  jwtSecret: process.env["JWT_SECRET"] ?? null,
  apiKey: process.env["API_KEY"] ?? null,
  metricsToken: process.env["METRICS_TOKEN"] ?? null,
  auditFile: process.env["AUDIT_FILE"] ?? null,
  historySize: Number(process.env["HISTORY_SIZE"]),
  historyBytes: Number(process.env["HISTORY_BYTES"]),
  maxUnsentBytes: Number(process.env["MAX_UNSENT_BYTES"]),
  pingIntervalMs: Number(process.env["PING_INTERVAL_MS"]),
  pongTimeoutMs: Number(process.env["PONG_TIMEOUT_MS"]),
  overloadDelayMs: Number(process.env["OVERLOAD_DELAY_MS"]),
  messagesPerSecond: Number(process.env["MESSAGES_PER_SECOND"]),
  messageBurst: Number(process.env["MESSAGE_BURST"]),
  handshakesPerSecond: Number(process.env["HANDSHAKES_PER_SECOND"]),
  handshakeBurst: Number(process.env["HANDSHAKE_BURST"]),
  presenceGraceMs: Number(process.env["PRESENCE_GRACE_MS"]),
  drainMs: Number(process.env["DRAIN_MS"]),
  logLevel: "warn",
  async onMessage(_connection, message) {
    await new Promise((resolve) => setImmediate(resolve));
    if (message.type === EVENT) throw new Error("poison");
  },
}).listen(Number(process.env["PORT"]));

process.on("SIGTERM", () => void server.stop().then(() => process.exit(0)));
process.stdout.write(`listens on ${server.address.url}\n`);
