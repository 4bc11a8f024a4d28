import { generateKeyPairSync, sign } from "node:crypto";
import { createServer, type Server, type ServerResponse } from "node:http";

/** An issuer's key set over HTTP that answers when it is told to: a token of its own key is checked exactly as long as a test wants. */
export class KeyServer {
  readonly url: string;
  readonly #server: Server;
  readonly #keys = generateKeyPairSync("ec", { namedCurve: "P-256" });
  readonly #waiting: ServerResponse[] = [];
  readonly #asked = Promise.withResolvers<void>();
  #isOpen = false;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.url = `http://127.0.0.1:${port}/jwks.json`;
    server.on("request", (_request, response: ServerResponse) => {
      this.#waiting.push(response);
      this.#asked.resolve();
      if (this.#isOpen) this.release();
    });
  }

  static start(): Promise<KeyServer> {
    const server = createServer();
    return new Promise((resolve) => {
      server.listen(0, "127.0.0.1", () => {
        const address = server.address();
        resolve(new KeyServer(server, typeof address === "object" && address !== null ? address.port : 0));
      });
    });
  }

  /** Resolves when the keys were first asked for. */
  get asked(): Promise<void> {
    return this.#asked.promise;
  }

  /** Answers whoever waits, and everybody from now on. */
  release(): void {
    this.#isOpen = true;
    const key = { ...this.#keys.publicKey.export({ format: "jwk" }), kid: "1", alg: "ES256", use: "sig" };
    for (const response of this.#waiting.splice(0)) response.end(JSON.stringify({ keys: [key] }));
  }

  /** An ES256 token, valid for an hour unless the claims say otherwise. */
  token(claims: Record<string, unknown> = {}): string {
    const nowS = Math.floor(Date.now() / 1_000);
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const payload = { sub: "u1", iat: nowS, exp: nowS + 3_600, ...claims };
    const signed = `${encode({ alg: "ES256", typ: "JWT", kid: "1" })}.${encode(payload)}`;
    const key = { key: this.#keys.privateKey, dsaEncoding: "ieee-p1363" } as const;
    return `${signed}.${sign("sha256", Buffer.from(signed), key).toString("base64url")}`;
  }

  stop(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
    });
  }
}
