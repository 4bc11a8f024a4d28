import { env, stdout } from "node:process";

/**
 * An answer that is written slowly, such as that of a language model, arrives at a client while it is written.
 *
 * In one program for once: a backend, which has the API_KEY of the node, and a client, which has a TOKEN. README.md, "From your
 * backend", says how to run it. TAUTLINE_URL is where the node is.
 */

const { TAUTLINE_URL = "http://127.0.0.1:8080", API_KEY = "", TOKEN = "", WORD_MS = "100" } = env;
if (API_KEY === "" || TOKEN === "") throw new Error("API_KEY and TOKEN must be set");

const CONVERSATION = "conversation:7";
const ANSWER = "Every message has a position, so a client that was away knows what it missed.";

interface TokenEvent {
  readonly type: string;
  readonly data: { readonly text: string; readonly done?: boolean };
}

/** The backend. */
async function callNode(path: string, type: string, body: string | AsyncIterator<string>): Promise<unknown> {
  const headers = { "X-API-Key": API_KEY, "Content-Type": type };
  const sent = typeof body === "string" ? body : streamOf(body);
  const response = await fetch(TAUTLINE_URL + path, { method: "POST", headers, body: sent });
  if (!response.ok) throw new Error(`${path} was answered ${response.status}: ${await response.text()}`);
  return response.json();
}

function streamOf(texts: AsyncIterator<string>): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await texts.next();
      if (done === true) controller.close();
      else controller.enqueue(encoder.encode(value));
    },
  });
}

/** What a model would say, word by word, each as a line of NDJSON. */
async function* answer(): AsyncGenerator<string> {
  const words = ANSWER.match(/\S+\s*/g) ?? [];
  for (const [index, text] of words.entries()) {
    const done = index === words.length - 1;
    yield `${JSON.stringify({ messageId: "answer-1", index, text, ...(done && { done }) })}\n`;
    await new Promise((resolve) => setTimeout(resolve, Number(WORD_MS)));
  }
}

/** The client: prints what arrives, as it arrives. Resolves with how many tokens that were. */
async function readAnswer(userIsKnown: (id: string) => void): Promise<number> {
  const ws = new WebSocket(`${TAUTLINE_URL.replace(/^http/, "ws")}/ws`, ["auth", TOKEN]);
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  let tokens = 0;
  ws.addEventListener("close", ({ code, reason }) => reject(new Error(`closed: ${code} ${reason}`)));
  ws.addEventListener("message", ({ data }) => {
    const frame = JSON.parse(String(data));
    if (frame.type === "connected") userIsKnown(String(frame.user.id));
    if (frame.type !== "token") return;
    const { text, done }: TokenEvent["data"] = frame.data;
    stdout.write(text);
    tokens += 1;
    if (done === true) resolve(tokens);
  });
  const read = await promise;
  ws.close();
  return read;
}

const user = Promise.withResolvers<string>();
const reading = readAnswer(user.resolve);
// The backend decides who reads a conversation: this user's token says nothing about it.
const userId = await Promise.race([user.promise, reading.then(String)]);
await callNode(
  `/api/users/${encodeURIComponent(userId)}/subscribe`,
  "application/json",
  JSON.stringify({ topic: CONVERSATION }),
);
const streaming = callNode(`/api/stream/${encodeURIComponent(CONVERSATION)}`, "application/x-ndjson", answer());
const tokens = await reading;
console.log(`\n${tokens} tokens arrived; the backend was answered ${JSON.stringify(await streaming)}`);
