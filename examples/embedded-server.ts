import { createServer, type PrincipalInput } from "tautline";

/**
 * An application with its own sessions and its own messages, and the realtime node inside of it.
 *
 *   PORT=8080 bun examples/embedded-server.ts
 */

/** Session → user: what the application's own login would fill. */
const sessions = new Map<string, PrincipalInput>();
for (const [id, username] of [
  [1, "ada"],
  [2, "bob"],
] as const) {
  const session = crypto.randomUUID();
  sessions.set(session, { id, username });
  console.log(`${username} ${session}`);
}

/** What the application keeps with a connection. */
interface Visit {
  rolls: number;
}

const server = await createServer<Visit>({
  tokenValidator: (session) => sessions.get(session) ?? null,
  onConnect(connection) {
    connection.data = { rolls: 0 };
  },
  // {"type":"dice.roll","roomSlug":"lobby","id":1}
  async onMessage(connection, { type, id, roomSlug }) {
    if (type !== "dice.roll" || typeof roomSlug !== "string" || connection.data === undefined) {
      connection.send({ type: "dice.refused", id });
      return;
    }
    connection.data.rolls += 1;
    const face = 1 + Math.floor(6 * Math.random());
    await server.publish(`room:${roomSlug}`, "dice.rolled", { by: connection.user.username, face });
    connection.send({ type: "dice.done", id, rolls: connection.data.rolls });
  },
  onDisconnect: (connection, { code }) => console.error(`${connection.user.username} left, ${code}`),
  logTarget: 2,
}).listen(Number(process.env["PORT"] ?? 8080));

console.log(`listens on ${server.address.url}`);
process.once("SIGTERM", () => void server.stop({ graceMs: 1_000 }));
process.once("SIGINT", () => void server.stop({ graceMs: 1_000 }));
