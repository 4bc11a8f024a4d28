import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Certificate, createCertificate } from "./certificate.ts";
import type { HttpResponse, UpgradeRequest } from "./http.ts";
import { token } from "./node.ts";
import { RawPeer } from "./peer.ts";
import { program } from "./programs.ts";

const nginx = program("nginx", "nginx");
const openssl = program("openssl", "openssl");
/** To append to the title of a suite that is skipped; "" when both programs are there. */
export const nginxSkipReason = nginx.skipReason + openssl.skipReason;

const DEPLOY = fileURLToPath(new URL("../../deploy/", import.meta.url));
export const NGINX_CONF = readFileSync(`${DEPLOY}nginx.conf`, "utf8");
export const NGINX_S3 = readFileSync(`${DEPLOY}nginx-s3.conf`, "utf8");

const START_TIMEOUT_MS = 10_000;
const TEMP_PATHS = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];

let certificate: Promise<Certificate> | undefined;

export type Changes = Readonly<Record<string, string>>;

/** Each of the texts has to occur: a placeholder that is not found was replaced in vain. */
function replaceAll(text: string, changes: Changes): string {
  let changed = text;
  for (const [from, to] of Object.entries(changes)) {
    if (!changed.includes(from)) throw new Error(`nginx.conf does not say ${from}`);
    changed = changed.replaceAll(from, to);
  }
  return changed;
}

function freePort(): number {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => undefined } });
  const { port } = listener;
  listener.stop(true);
  return port;
}

/** deploy/nginx.conf as it stands, on a free port of 127.0.0.1 and with its files in a folder of its own, in front of a node. */
export class TestNginx {
  readonly port = freePort();
  readonly #folder = mkdtempSync(join(tmpdir(), "tautline-nginx-"));
  readonly #certificate: Certificate;
  readonly #peers: RawPeer[] = [];
  #child: Bun.Subprocess | null = null;

  private constructor(made: Certificate) {
    this.#certificate = made;
  }

  /** `changes` are made to the text of the configuration, beside the placeholders. */
  static async start(nodePort: number, changes: Changes = {}): Promise<TestNginx> {
    certificate ??= createCertificate(openssl.path ?? "");
    const started = new TestNginx(await certificate);
    try {
      started.#write(nodePort, changes);
      await started.#run();
    } catch (error) {
      await started.stop();
      throw error;
    }
    return started;
  }

  get ca(): string {
    return this.#certificate.certificate;
  }

  /** A TLS connection, ended with the server. */
  async peer(localAddress?: string): Promise<RawPeer> {
    const from = localAddress === undefined ? {} : { localAddress };
    const peer = await RawPeer.connectTls({ port: this.port, ca: this.ca, ...from });
    this.#peers.push(peer);
    return peer;
  }

  async upgraded(request: UpgradeRequest, localAddress?: string): Promise<RawPeer> {
    const peer = await this.peer(localAddress);
    const { status, body } = await peer.upgrade(this.#named(request));
    if (status !== 101) throw new Error(`the upgrade was answered ${status}: ${body}`);
    return peer;
  }

  async refused(request: UpgradeRequest): Promise<HttpResponse> {
    return (await this.peer()).upgrade(this.#named(request));
  }

  /** A connection of a user on `/ws` that is a member of the room. */
  async member(userId: string, roomSlug: string): Promise<RawPeer> {
    const peer = await this.upgraded({ path: `/ws?token=${token({ sub: userId, username: userId })}` });
    peer.send({ type: "join_room", roomSlug });
    await peer.jsonOfType("room_joined");
    return peer;
  }

  /** What nginx says about its configuration without starting. */
  check(): { readonly status: number; readonly said: string } {
    const { exitCode, stderr } = Bun.spawnSync(this.#command("-t"), { stderr: "pipe" });
    return { status: exitCode, said: stderr.toString() };
  }

  /** Everything in its logs, once it has ended. */
  async logsAfterStop(): Promise<{ readonly access: string; readonly error: string }> {
    await this.#end();
    const read = (name: string): string => readFileSync(join(this.#folder, name), "utf8");
    return { access: read("access.log"), error: read("error.log") };
  }

  async stop(): Promise<void> {
    await this.#end();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #end(): Promise<void> {
    for (const peer of this.#peers) peer.destroy();
    this.#child?.kill("SIGTERM");
    await this.#child?.exited;
  }

  #named(request: UpgradeRequest): UpgradeRequest {
    return { host: `localhost:${this.port}`, ...request };
  }

  #write(nodePort: number, changes: Changes): void {
    const folder = this.#folder;
    // The workers are another user when root starts nginx, and have bodies to put somewhere.
    chmodSync(folder, 0o755);
    mkdirSync(join(folder, "temp"));
    const tempPaths = TEMP_PATHS.map((name) => `${name}_temp_path ${folder}/temp/${name};`).join("\n  ");
    const text = replaceAll(NGINX_CONF, {
      ...changes,
      ...(process.getuid?.() === 0 ? {} : { "user www-data;": "" }),
      "/etc/nginx/tls/chat.example.com": `${folder}/localhost`,
      "chat.example.com": "localhost",
      "127.0.0.1:8080": `127.0.0.1:${nodePort}`,
      "listen 443 ssl;": `listen 127.0.0.1:${this.port} ssl;`,
      "listen [::]:443 ssl;": "",
      "/run/nginx.pid": `${folder}/nginx.pid`,
      "/var/log/nginx/": `${folder}/`,
      "http {\n": `http {\n  ${tempPaths}\n`,
    }).replaceAll("/etc/nginx/", `${folder}/`);
    writeFileSync(join(folder, "nginx.conf"), text);
    writeFileSync(join(folder, "nginx-s3.conf"), NGINX_S3);
    writeFileSync(join(folder, "localhost.crt"), this.#certificate.certificate);
    writeFileSync(join(folder, "localhost.key"), this.#certificate.key, { mode: 0o600 });
  }

  #command(...args: readonly string[]): string[] {
    const files = ["-p", this.#folder, "-c", join(this.#folder, "nginx.conf"), "-e", join(this.#folder, "error.log")];
    return [nginx.path ?? "", ...files, ...args];
  }

  /** In the foreground, so that its end is seen. It listens before its workers run: a connection is taken from then on. */
  async #run(): Promise<void> {
    const child = Bun.spawn(this.#command("-g", "daemon off;"), { stdio: ["ignore", "ignore", "pipe"] });
    this.#child = child;
    const deadline = performance.now() + START_TIMEOUT_MS;
    for (;;) {
      const probe = await RawPeer.connect(this.port).catch(() => null);
      probe?.destroy();
      if (probe !== null) return;
      if (child.exitCode !== null) throw new Error(`nginx ended: ${await new Response(child.stderr).text()}`);
      if (performance.now() > deadline) throw new Error("nginx did not listen");
    }
  }
}
