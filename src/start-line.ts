import type { Config } from "./config.ts";

/** The first line of a start, for people. */
export function startLineOf(config: Config, url: string, engine: string, broker: string): string {
  const socket = config.unixSocket === null ? "" : `--unix-socket ${config.unixSocket} `;
  const base = config.unixSocket === null ? url : "http://localhost";
  const next =
    config.accounts === "on"
      ? `try: curl ${socket}-X POST ${base}/api/register -H 'Content-Type: application/json' -d '{"username":"ada","password":"correct horse"}'`
      : `try: curl ${socket}${base}/ready`;
  return `Tautline listens on ${url} · engine ${engine} · broker ${broker} · ${next}`;
}
