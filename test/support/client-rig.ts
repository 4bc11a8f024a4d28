import { type Client, connect, type Message, type Room, type Status, TautlineError } from "../../src/client/index.ts";
import type { CommonOptions } from "../../src/client/options.ts";
import { FakeClock } from "./clock.ts";
import { type ScriptedSocket, ScriptedSockets } from "./scripted-sockets.ts";

export interface RigOptions extends CommonOptions {
  readonly token?: () => string | Promise<string>;
  readonly ticket?: () => string | Promise<string>;
}

/** A client whose time and whose WebSockets the test owns. Its random number is 0.5: delays are half of their bound. */
export class ClientRig {
  readonly clock = new FakeClock();
  readonly sockets = new ScriptedSockets();
  readonly statuses: Status[] = [];
  readonly errors: TautlineError[] = [];
  readonly client: Client;
  asked = 0;
  static readonly #open = new Set<ClientRig>();

  constructor({ token, ticket, ...options }: RigOptions = {}) {
    const common = {
      clock: this.clock,
      random: () => 0.5,
      WebSocket: this.sockets.constructorFor,
      ...options,
    };
    const secret = token ?? ticket ?? (() => `token-${this.asked}`);
    const counted = (): string | Promise<string> => {
      this.asked += 1;
      return secret();
    };
    const credential = ticket === undefined ? { token: counted } : { ticket: counted };
    this.client = connect("ws://node.test/ws", { ...common, ...credential });
    this.client.on("status", (status) => this.statuses.push(status));
    this.client.on("error", (error) => this.errors.push(error));
    ClientRig.#open.add(this);
  }

  /** What tests left open would hear of events of the page. */
  static async closeAll(): Promise<void> {
    await Promise.all([...this.#open].map((rig) => rig.close()));
    this.#open.clear();
  }

  get socket(): ScriptedSocket {
    return this.sockets.last;
  }

  get state(): string {
    return this.client.status.state;
  }

  /** Until the attempt that is under way has a socket. */
  async opening(): Promise<ScriptedSocket> {
    await settled();
    return this.socket;
  }

  async connected(fields: Readonly<Record<string, unknown>> = {}): Promise<ScriptedSocket> {
    const socket = await this.opening();
    socket.open();
    socket.greet(fields);
    await settled();
    return socket;
  }

  /** The room, joined on the connection that is there. */
  async member(slug: string, offset = 0, epoch = "e1"): Promise<{ room: Room; got: Message[] }> {
    const room = this.client.join(slug);
    const got: Message[] = [];
    room.on("message", (message) => got.push(message));
    await settled();
    this.answerJoin(`room:${slug}`, { offset, epoch });
    return { room, got };
  }

  answerJoin(topic: string, fields: Readonly<Record<string, unknown>>): void {
    const { id } =
      this.socket.sent.findLast((frame) => frame["type"] === "subscribe" && frame["topic"] === topic) ?? {};
    this.socket.receive({ type: "subscribed", roomSlug: topic.slice("room:".length), id, ...fields });
  }

  async close(): Promise<void> {
    const closing = this.client.close();
    this.sockets.made.at(-1)?.end(1000);
    await closing;
  }

  async advance(ms: number): Promise<void> {
    this.clock.advance(ms);
    await settled();
  }
}

export function chat(offset: number, text: string, epoch = "e1", slug = `m${offset}`): Record<string, unknown> {
  return {
    type: "new_message",
    roomSlug: "general",
    offset,
    epoch,
    data: { slug, userSlug: "bob", username: "bob", message: text },
  };
}

/** Of an answer about the room. */
export const PLACE = { roomSlug: "general", offset: 1, epoch: "e1" };

/** What browsers tell a page. */
export function networkIsBack(): void {
  EventTarget.prototype.dispatchEvent.call(globalThis, new Event("online"));
}

/** All that is already resolved has run. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
}

/** The code that a promise was refused with; `settled` when it was not. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return "settled";
  } catch (error) {
    if (error instanceof TautlineError) return error.code;
    return error instanceof Error ? error.name : String(error);
  }
}
