/**
 * The client in a terminal, for tests: each line of the input goes to the room, and what happens is printed. It runs under Node and
 * Bun alike: `TOKEN=… node client-terminal.js URL ROOM FORMAT`.
 */
import { createInterface } from "node:readline";
import { connect } from "tautline/client";

const [url, slug, format] = process.argv.slice(2);
const client = connect(url, { token: () => process.env.TOKEN, format, backoff: { minDelayMs: 20, maxDelayMs: 200 } });
client.on("status", ({ state }) => console.log(`status ${state}`));
const room = client.join(slug);
room.on("message", (message) => console.log(`message ${message.text}`));
room.on("gap", () => console.log("gap"));
await room.joined;
console.log("joined");
for await (const line of createInterface({ input: process.stdin })) {
  room.send(line).then(
    () => console.log(`confirmed ${line}`),
    ({ code }) => console.log(`failed ${line}: ${code}`),
  );
}
// Nothing of the client keeps the program running after this.
await client.close();
