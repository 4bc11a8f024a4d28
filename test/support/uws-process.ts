import { rmSync } from "node:fs";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import type { NodeTimes } from "../../src/broker/redis-nodes.ts";
import type { Address, EngineOptions } from "../../src/engine/engine.ts";
import { engineUws } from "./engine-uws.ts";
import { buildForUws, uwsBuildIn } from "./uws-build.ts";

/** What `uws-host.ts` can start. */
export type UwsCommand =
  | { readonly start: "contract"; readonly options: EngineOptions }
  | { readonly start: "echo"; readonly options: EngineOptions }
  | {
      readonly start: "node";
      readonly env: Readonly<Record<string, string>>;
      readonly nodeTimes: Partial<NodeTimes>;
      readonly log: string;
    };

interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

/** Something that runs in the process. */
export interface UwsServer {
  readonly address: Address;
  state(): Promise<unknown>;
  beginDrain(): Promise<void>;
  drain(): Promise<void>;
  stop(): Promise<void>;
}

/** The process of `uws-host.ts`. Servers run there one after the other, or together. */
export class UwsProcess {
  readonly #child: Bun.Subprocess<"pipe", "pipe", "inherit">;
  /** To be removed with it; null when somebody else has built it. */
  readonly #folder: string | null;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #asked = 0;

  private constructor(host: string, folder: string | null) {
    this.#folder = folder;
    this.#child = Bun.spawn([engineUws.nodePath ?? "node", host], {
      env: { ...process.env, ...engineUws.env },
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#child.unref();
    const lines = createInterface({ input: Readable.fromWeb(this.#child.stdout) });
    lines.on("line", (line) => {
      const answer: Answer = JSON.parse(line);
      this.#waiting.get(answer.id)?.(answer);
      this.#waiting.delete(answer.id);
    });
    lines.on("close", () => {
      for (const [id, settle] of this.#waiting) settle({ id, error: "the process has ended" });
    });
  }

  static async start(): Promise<UwsProcess> {
    const built = process.env["UWS_BUILD"];
    const { folder, host } = built === undefined ? await buildForUws() : uwsBuildIn(built);
    return new UwsProcess(host, built === undefined ? folder : null);
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Rejects with what the server said. */
  async run(command: UwsCommand): Promise<UwsServer> {
    const of = this.#asked;
    const address = await this.#ask({ of, do: "start", command });
    if (!isAddress(address)) throw new Error("no address");
    let drained: Promise<void> | null = null;
    const drain = async (): Promise<void> => void (await this.#ask({ of, do: "drain" }));
    return {
      address,
      state: () => this.#ask({ of, do: "state" }),
      beginDrain: async () => void (await this.#ask({ of, do: "beginDrain" })),
      drain: () => (drained ??= drain()),
      stop: async () => void (await this.#ask({ of, do: "stop" })),
    };
  }

  async end(): Promise<void> {
    this.#child.kill();
    await this.#child.exited;
    if (this.#folder !== null) rmSync(this.#folder, { recursive: true });
  }

  async #ask(asked: object): Promise<unknown> {
    const id = this.#asked++;
    if (!this.isRunning) throw new Error("the process has ended");
    const { value, error } = await new Promise<Answer>((resolve) => {
      this.#waiting.set(id, resolve);
      void this.#child.stdin.write(`${JSON.stringify({ id, ...asked })}\n`);
    });
    if (error !== undefined) throw new Error(error);
    return value;
  }
}

function isAddress(value: unknown): value is Address {
  return typeof value === "object" && value !== null && "url" in value && "port" in value;
}
