import { expect, test } from "bun:test";
import type { EngineOptions } from "../../src/engine/engine.ts";
import { type HttpResponse, RawPeer } from "../support/peer.ts";
import type { RunningEngine } from "./engine-server.ts";

/** What the parts of the engine suite share: the engine under test, and the servers and peers of the test that runs. */

export interface EngineUnderTest {
  readonly name: string;
  /** Starts the server of `engine-server.ts` on the engine, in this process or in another. */
  readonly start: (options: EngineOptions) => Promise<RunningEngine>;
  /** Whether a request is answered although another stands behind it in the same packet; otherwise both only see their connection end. */
  readonly answersPipelined: boolean;
  /** Titles of promises that the engine cannot keep, each with its reason. */
  readonly skip: readonly { readonly reason: string; readonly tests: readonly string[] }[];
}

export const OPTIONS: EngineOptions = {
  host: "127.0.0.1",
  port: 0,
  unixSocket: null,
  maxMessageBytes: 65_536,
  maxUnsentBytes: 1_048_576,
  maxBodyBytes: 1_000,
};

/** The server of the suite speaks no protocol. */
const ANY_FRAMES = { conforms: false };

/** A request that must not be answered when it stands behind a refused one. */
const FOLLOW_UP = "GET /second HTTP/1.1\r\nHost: localhost\r\n\r\n";

export const HOSTILE_HOSTS = [
  "",
  "a:b:c",
  "x:99999",
  "[::1",
  "a@b",
  "a b",
  "a/b",
  "a?b",
  "a#b",
  "a%2Fb",
  "999.999.999.999",
  "xn--a",
  "é",
];

export class EngineSuite {
  readonly #engine: EngineUnderTest;
  readonly #running: RunningEngine[] = [];
  readonly #peers: RawPeer[] = [];
  readonly titles = new Set<string>();

  constructor(engine: EngineUnderTest) {
    this.#engine = engine;
  }

  /** One test, or one skip with its reason. */
  promise = (title: string, run: () => Promise<void>): void => {
    this.titles.add(title);
    const reason = this.#engine.skip.find(({ tests }) => tests.includes(title))?.reason;
    if (reason === undefined) test(title, run);
    else test.skip(`${title} (${reason})`, run);
  };

  start = (options: EngineOptions): Promise<RunningEngine> => this.#engine.start(options);

  /** Stops it after the test. */
  adopt = (engine: RunningEngine): void => {
    this.#running.push(engine);
  };

  /** Starts a server for this test; its port. */
  serve = async (options: Partial<EngineOptions> = {}): Promise<number> => {
    const engine = await this.start({ ...OPTIONS, ...options });
    this.adopt(engine);
    return engine.address.port;
  };

  connect = async (port: number): Promise<RawPeer> => {
    const peer = await RawPeer.connect(port, "127.0.0.1", ANY_FRAMES);
    this.#peers.push(peer);
    return peer;
  };

  /** An open connection, known to the server by its name. */
  open = async (port: number, name: string, more = ""): Promise<RawPeer> => {
    const peer = await RawPeer.open(port, { path: `/?name=${name}${more}` }, ANY_FRAMES);
    this.#peers.push(peer);
    return peer;
  };

  /** Writes a request that ends its connection, with another behind it, and waits for that end: the answers. */
  refusedBeforeAnother = async (port: number, request: string): Promise<readonly HttpResponse[]> => {
    const peer = await this.connect(port);
    peer.writeRaw(request + FOLLOW_UP);
    await peer.ended();
    if (this.#engine.answersPipelined) return peer.responses();
    expect(peer.responses()).toEqual([]);
    const patient = await this.connect(port);
    await patient.request(request);
    patient.writeRaw(FOLLOW_UP);
    await patient.ended();
    return patient.responses();
  };

  cleanUp = async (): Promise<void> => {
    for (const peer of this.#peers.splice(0)) peer.destroy();
    for (const engine of this.#running.splice(0)) await engine.stop();
  };
}
