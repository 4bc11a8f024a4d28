/** What every scenario works with: the two servers, the frames that they share, and how long to measure. */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { Generator, scratch, startServer, type Server } from "./children.ts";
import type { DialectName } from "./dialect.ts";
import { type BenchEngine, BUN } from "./engine.ts";
import type { OpenOrder, OpenReport } from "./orders.ts";
import { Probe } from "./probe.ts";
import { Scrape } from "./scrape.ts";
import { SPECIMEN, sampleFrames, type Samples } from "./samples.ts";

export interface Plan {
  readonly rounds: number;
  readonly warmupMs: number;
  readonly measureMs: number;
  readonly handshakesPerWave: number;
  /** Rounds before the first that counts: what is compiled and cached in them is steady afterwards. */
  readonly handshakeWarmups: number;
  readonly memoryFrom: number;
  readonly memoryTo: number;
  readonly memoryRounds: number;
  readonly starts: number;
  /** Into how many rooms the clients of a recovery storm are divided: one storm each. */
  readonly recoveryRooms: readonly number[];
  readonly recoveryClients: number;
  readonly recoveryRounds: number;
  readonly presenceUsers: number;
  readonly presenceRounds: number;
}

export const FULL: Plan = {
  rounds: 7,
  warmupMs: 1_000,
  measureMs: 3_000,
  handshakesPerWave: 4_000,
  handshakeWarmups: 4,
  memoryFrom: 2_000,
  memoryTo: 18_000,
  memoryRounds: 3,
  starts: 9,
  recoveryRooms: [100, 1],
  recoveryClients: 10_000,
  recoveryRounds: 3,
  presenceUsers: 10_000,
  presenceRounds: 3,
};

export const QUICK: Plan = {
  rounds: 2,
  warmupMs: 200,
  measureMs: 400,
  handshakesPerWave: 1_000,
  handshakeWarmups: 1,
  memoryFrom: 1_000,
  memoryTo: 3_000,
  memoryRounds: 1,
  starts: 3,
  recoveryRooms: [100],
  recoveryClients: 1_000,
  recoveryRounds: 1,
  presenceUsers: 2_000,
  presenceRounds: 1,
};

/** A server with the generator that loads it. */
export interface Side {
  readonly server: Server;
  readonly generator: Generator;
  readonly dialect: DialectName;
  /** The Redis behind the server; 0: none. */
  readonly brokerPid: number;
  stop(): Promise<void>;
}

type OpenChoice = Pick<OpenOrder, "users" | "usersPerRoom" | "inFlight"> &
  Partial<Pick<OpenOrder, "isMixed" | "jti" | "settleMs" | "share">>;

/** The settings that this load exceeds by its nature are raised; everything else is as it ships. */
const RAISED = {
  MESSAGES_PER_SECOND: "1000000",
  MESSAGE_BURST: "1000000",
  HANDSHAKES_PER_SECOND: "1000000",
  HANDSHAKE_BURST: "1000000",
  MAX_PENDING_CONNECTIONS: "20000",
  // One stall of the machine must not turn the waves away: what a stall costs is in the figures.
  OVERLOAD_DELAY_MS: "5000",
};

export class Rig {
  readonly plan: Plan;
  /** The rig against itself: both sides are the bare server, so every ratio must be 1. */
  readonly isSelfCheck: boolean;
  readonly #engine: BenchEngine;
  readonly #secret = randomBytes(32).toString("hex");
  readonly #metricsToken = randomBytes(32).toString("hex");
  readonly #issuedAtS = Math.floor(Date.now() / 1000);
  #samples: Samples | null = null;
  #started = 0;

  constructor(plan: Plan, isSelfCheck: boolean, engine: BenchEngine = BUN) {
    this.plan = plan;
    this.#engine = engine;
    this.isSelfCheck = isSelfCheck;
  }

  get subjectName(): string {
    return this.isSelfCheck ? "bare (as subject)" : "tautline";
  }

  /** `settings` are those that a scenario adds. */
  async startSubject(settings: Readonly<Record<string, string>> = {}): Promise<Server> {
    if (this.isSelfCheck) return this.#startBare("bare");
    const serial = ++this.#started;
    return startServer(this.#engine.subject, {
      ...this.#engine.env,
      ...RAISED,
      NODE_ENV: "production",
      HOST: "127.0.0.1",
      PORT: "0",
      JWT_SECRET: this.#secret,
      METRICS_TOKEN: this.#metricsToken,
      AUDIT_FILE: join(scratch, `${serial}.audit`),
      DATABASE_URL: `sqlite://${join(scratch, `${serial}.db`)}`,
      ...settings,
    });
  }

  async startBare(greets = false): Promise<Server> {
    return this.#startBare(greets ? "bare-greeting" : "bare");
  }

  async subject(): Promise<Side> {
    return this.#side(await this.startSubject(), this.isSelfCheck ? "bare" : "tautline");
  }

  async bare(greets = false): Promise<Side> {
    return this.#side(await this.startBare(greets), greets ? "bare-greeting" : "bare");
  }

  /** The same node, asked without a token: what the upgrade itself costs it. */
  anonymous(subject: Side): Side {
    const dialect = this.isSelfCheck ? "bare" : "tautline-anonymous";
    const generator = new Generator();
    return { server: subject.server, generator, dialect, brokerPid: 0, stop: () => generator.stop() };
  }

  open(side: Side, choice: OpenChoice): Promise<OpenReport> {
    return side.generator.order<"open">({
      do: "open",
      dialect: side.dialect,
      port: side.server.port,
      serverPid: side.server.pid,
      secret: this.#secret,
      jti: "0",
      issuedAtS: this.#issuedAtS,
      settleMs: 0,
      isMixed: false,
      share: null,
      brokerPid: side.brokerPid,
      ...choice,
    });
  }

  probe(side: Side): Promise<Probe> {
    return Probe.connect(side.server.port, this.#secret, this.#issuedAtS);
  }

  async scrape(side: Side): Promise<Scrape> {
    const headers = { Authorization: `Bearer ${this.#metricsToken}` };
    const answer = await fetch(`http://127.0.0.1:${side.server.port}/metrics`, { headers });
    if (!answer.ok) throw new Error(`/metrics was answered ${answer.status}`);
    return new Scrape(await answer.text());
  }

  #side(server: Server, dialect: DialectName): Side {
    const generator = new Generator();
    return {
      server,
      generator,
      dialect,
      brokerPid: 0,
      stop: async () => {
        await generator.stop();
        await server.stop();
      },
    };
  }

  async #startBare(dialect: "bare" | "bare-greeting"): Promise<Server> {
    const samples = await this.samples();
    return startServer(this.#engine.bare, {
      ...this.#engine.env,
      BARE_BROADCAST: samples.broadcast,
      BARE_ACKNOWLEDGEMENT: samples.acknowledgement,
      BARE_GREETING: dialect === "bare" ? "" : samples.connected,
    });
  }

  /** Taken once per run, from a server of their own. */
  async samples(): Promise<Samples> {
    this.#samples ??= this.isSelfCheck ? SPECIMEN : await this.#sample();
    return this.#samples;
  }

  async #sample(): Promise<Samples> {
    const server = await this.startSubject();
    try {
      return await sampleFrames(server.port, this.#secret, this.#issuedAtS);
    } finally {
      await server.stop();
    }
  }
}
