import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Certificate {
  /** PEM; signed by itself, so it is also the authority to check it with. */
  readonly certificate: string;
  readonly key: string;
}

/** A certificate for `localhost` that nobody else trusts, made by `openssl`. */
export async function createCertificate(openssl: string): Promise<Certificate> {
  const folder = mkdtempSync(join(tmpdir(), "tautline-"));
  try {
    const key = join(folder, "key");
    const certificate = join(folder, "certificate");
    const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    const name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "1"];
    const command = [openssl, "req", "-x509", ...curve, ...name, "-keyout", key, "-out", certificate];
    const child = Bun.spawn(command, { stdio: ["ignore", "ignore", "pipe"] });
    const said = await new Response(child.stderr).text();
    if ((await child.exited) !== 0) throw new Error(`openssl made no certificate: ${said}`);
    return { certificate: readFileSync(certificate, "utf8"), key: readFileSync(key, "utf8") };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
