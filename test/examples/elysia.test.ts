import { afterAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { ExampleProcess } from "../support/example-process.ts";
import { SECRET, token } from "../support/node.ts";
import { RawPeer } from "../support/peer.ts";

const example = new ExampleProcess("elysia.ts", { JWT_SECRET: SECRET });
afterAll(() => example.kill());

const JWT = token({ sub: "123" });

/** The lines of the document, but for the package that they are imported from. */
const QUICK_START = [
  `// Create WebSocket auth middleware
const wsAuth = createWebSocketAuth({
  tokenValidator: jwtValidator,
  permissionChecker: caslChecker,
`,
  `// Use in WebSocket server
app.ws("/realtime", {
  beforeHandle: [wsAuth.authenticateConnection],
  message: wsAuth.authorizeMessage,
});
`,
];

test("the quick start stands in the example as it is documented", () => {
  const source = readFileSync(new URL("../../examples/elysia.ts", import.meta.url), "utf8");
  expect(QUICK_START.filter((lines) => !source.includes(lines))).toEqual([]);
});

test("Elysia refuses, subscribes and publishes as it is told, and stops when asked", async () => {
  const port = await example.port();
  const refusals = await Promise.all(
    ["", "?token=garbage", `?token=${token({ exp: 1_000 })}`].map(async (query) => {
      const { status, body } = await (await RawPeer.connect(port)).upgrade({ path: `/realtime${query}` });
      return [status, JSON.parse(body).code];
    }),
  );
  expect(refusals).toEqual([
    [401, "AUTH_REQUIRED"],
    [401, "AUTH_FAILED"],
    [401, "TOKEN_EXPIRED"],
  ]);

  const visitor = new WebSocket(`ws://127.0.0.1:${port}/realtime`, ["auth", JWT]);
  const frames: unknown[] = [];
  const fiveAnswered = Promise.withResolvers<void>();
  visitor.onmessage = ({ data }) => {
    frames.push(JSON.parse(String(data)));
    if (frames.length === 5) fiveAnswered.resolve();
  };
  await new Promise((resolve) => (visitor.onopen = resolve));
  expect(visitor.protocol).toBe("auth");
  const byCookie = await RawPeer.open(
    port,
    {
      path: "/realtime",
      headers: [
        ["Cookie", `access_token=${JWT}`],
        ["Origin", "http://localhost"],
      ],
    },
    { conforms: false },
  );
  byCookie.send({ type: "subscribe", topic: "user:123", token: JWT });
  expect(await byCookie.json()).toMatchObject({ type: "subscribed", topic: "user:123" });

  const sent = [
    { type: "subscribe", topic: "user:124", token: JWT },
    { type: "subscribe", topic: "user:123", token: "garbage" },
    { type: "subscribe", topic: "user:123", token: JWT },
    { type: "publish", topic: "user:123", event: "notification" },
    { type: "shout" },
  ];
  for (const message of sent) visitor.send(JSON.stringify(message));
  await fiveAnswered.promise;
  expect(frames).toMatchObject([
    { type: "error", code: "FORBIDDEN", message: "Insufficient permissions for topic", topic: "user:124" },
    { type: "error", code: "AUTH_FAILED", message: "Invalid authentication token" },
    { type: "subscribed", topic: "user:123" },
    { type: "error", code: "FORBIDDEN" },
    { type: "error", code: "UNKNOWN_TYPE" },
  ]);
  const notified = await fetch(`http://127.0.0.1:${port}/notify/123`, { method: "POST" });
  expect(await notified.json()).toEqual({ receivers: 1 });
  expect(await byCookie.json()).toMatchObject({ type: "notification", data: { title: "Hello" } });
  visitor.close();
  byCookie.close();
  expect(await example.stop()).toBe(0);
});
