import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";

/** A backend's hook over HTTP that does whatever a test wants it to. */

export interface AskedOfHook {
  readonly body: unknown;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

export type HookAnswer = (asked: AskedOfHook, count: number) => void;

export const allow: HookAnswer = ({ response }) => void response.end('{"allowed": true}');
export const deny: HookAnswer = ({ response }) => void response.end('{"allowed": false}');
export const stall: HookAnswer = () => undefined;

export class HookServer {
  readonly url: string;
  /** Every request so far. */
  readonly asked: AskedOfHook[] = [];
  /** Requests whose connection the other side ended. */
  abandoned = 0;
  answer: HookAnswer;
  readonly #server: Server;

  private constructor(server: Server, port: number, answer: HookAnswer) {
    this.#server = server;
    this.url = `http://127.0.0.1:${port}/authorize`;
    this.answer = answer;
    server.on("request", (request: IncomingMessage, response: ServerResponse) => void this.#take(request, response));
  }

  static start(answer: HookAnswer = allow): Promise<HookServer> {
    const server = createServer();
    return new Promise((resolve) => {
      server.listen(0, "127.0.0.1", () => {
        const address = server.address();
        resolve(new HookServer(server, typeof address === "object" && address !== null ? address.port : 0, answer));
      });
    });
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on("close", () => {
      if (!response.writableEnded) this.abandoned += 1;
    });
    let text = "";
    for await (const chunk of request) text += String(chunk);
    const asked = { body: JSON.parse(text), request, response };
    this.asked.push(asked);
    this.answer(asked, this.asked.length);
  }

  stop(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
    });
  }
}
