import { expect, test } from "bun:test";
import { fileURLToPath } from "node:url";
import { TestNode, token } from "../support/node.ts";

const EXAMPLE = fileURLToPath(new URL("../../examples/stream-answer.ts", import.meta.url));
const API_KEY = "the-key-of-the-backend";

test("the answer that is streamed arrives word by word, as the README shows it", async () => {
  const node = await TestNode.start({ API_KEY });
  const env = { TAUTLINE_URL: node.url, API_KEY, TOKEN: token({ sub: 42 }), WORD_MS: "20" };
  const example = Bun.spawn([process.execPath, EXAMPLE], { env, stdout: "pipe", stderr: "inherit" });
  const written: string[] = [];
  const decoder = new TextDecoder();
  for await (const chunk of example.stdout) written.push(decoder.decode(chunk, { stream: true }));
  expect(await example.exited).toBe(0);
  expect(written.join("")).toBe(
    "Every message has a position, so a client that was away knows what it missed.\n" +
      '15 tokens arrived; the backend was answered {"published":15}\n',
  );
  expect(written.length).toBeGreaterThan(3);
  await node.stop();
}, 20_000);
