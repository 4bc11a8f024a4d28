import { type Api, createApi } from "../../src/api/app.ts";
import { ProtocolError } from "../../src/protocol/codes.ts";
import { Answers } from "../support/answers.ts";
import { FakeClock } from "../support/clock.ts";
import { HubRig, passing } from "../support/hub.ts";
import { callerPorts, defaultPorts } from "./default-ports.ts";

export const API_KEY = "the-key-of-the-backend";

/** The routes of the backend over a hub, called with the key. */
export class BackendRig {
  readonly clock = new FakeClock();
  readonly hub: HubRig;
  readonly failures: unknown[] = [];
  readonly audited: unknown[] = [];
  /** Requests that the engine's timeout does not hold for. */
  heldOpen = 0;
  readonly api: Api;
  #answers: Answers | null = null;

  constructor({ isDown = false, maxStreamBytes = 1_048_576 } = {}) {
    this.hub = new HubRig({}, (broker) =>
      isDown
        ? {
            ...passing(broker),
            publish: () => {
              throw new ProtocolError("PUBLISH_FAILED");
            },
          }
        : broker,
    );
    this.api = createApi({
      ...defaultPorts(this.hub, this.clock),
      callers: callerPorts(this.clock, { apiKey: API_KEY }),
      maxStreamBytes,
      audit: (event) => this.audited.push(event),
      logFailure: (error) => this.failures.push(error),
    });
  }

  /** The status and the body of the answer. POST with a body, else GET. */
  call(path: string, body?: unknown): Promise<[number, unknown]> {
    return this.callWith(path, body === undefined ? {} : { body: JSON.stringify(body) });
  }

  async callWith(
    path: string,
    {
      body,
      type = "application/json",
      signal,
    }: { body?: string | ReadableStream<Uint8Array>; type?: string; signal?: AbortSignal },
  ): Promise<[number, unknown]> {
    const response = await this.api.fetch(
      new Request(`http://localhost${path}`, {
        method: body === undefined ? "GET" : "POST",
        headers: { "X-API-Key": API_KEY, "Content-Type": type },
        ...(body !== undefined && { body }),
        ...(signal !== undefined && { signal }),
      }),
      {
        address: "192.0.2.1",
        holdOpen: () => {
          this.heldOpen += 1;
        },
        letGo: () => {
          this.heldOpen -= 1;
        },
      },
    );
    this.#answers ??= Answers.of(await (await this.#document()).text());
    await this.#answers.check(
      body === undefined ? "GET" : "POST",
      new URL(`http://localhost${path}`).pathname,
      response,
    );
    return [response.status, await response.json()];
  }

  #document(): Promise<Response> {
    const nobody = { address: "192.0.2.1", holdOpen() {}, letGo() {} };
    return this.api.fetch(new Request("http://localhost/openapi.json"), nobody);
  }

  [Symbol.dispose](): void {
    if (this.failures.length > 0) throw new Error("a fault of ours", { cause: this.failures[0] });
  }
}
