import { type Client, connect, type Message, type Room } from "../../src/client/index.ts";
import type { CommonOptions } from "../../src/client/options.ts";
import { TestNode, token } from "./node.ts";

/** Nodes and clients over real sockets, which end with the test that made them. */

const owned: { stop(): Promise<unknown> }[] = [];

/** Short delays: the tests wait for them. */
const BACKOFF = { minDelayMs: 20, maxDelayMs: 200 };

interface Options extends CommonOptions {
  readonly token?: string | (() => string);
  readonly ticket?: () => Promise<string>;
}

export async function stopOwned(): Promise<void> {
  for (const each of owned.splice(0).toReversed()) await each.stop();
}

export function own<T extends { stop(): Promise<unknown> }>(part: T): T {
  owned.push(part);
  return part;
}

export async function started(settings: Record<string, string | null> = {}): Promise<TestNode> {
  return own(await TestNode.start({ BROKER_URL: null, ...settings }));
}

/** Of the user `ada`, where nothing else is said. */
export function client(port: number, { ticket, token: given, ...options }: Options = {}, path = "/"): Client {
  const common = { backoff: BACKOFF, ...options };
  const url = `ws://127.0.0.1:${port}${path}`;
  const made =
    ticket === undefined
      ? connect(url, { ...common, token: given ?? (() => token({ sub: "ada", username: "ada" })) })
      : connect(url, { ...common, ticket });
  own({ stop: () => made.close() });
  return made;
}

/** What is said in the room from now on. */
export function texts(room: Room): string[] {
  const got: string[] = [];
  room.on("message", ({ text = "" }: Message) => got.push(text));
  return got;
}
