const LISTEN_FAILURES: Readonly<Record<string, string>> = {
  EADDRINUSE: "the address is in use",
  EADDRNOTAVAIL: "this machine does not have that address",
  EACCES: "no permission",
  ENOENT: "no such directory",
};

/** Why nothing listens there, for people. */
export function listenFailure(error: unknown): string {
  if (!(error instanceof Error)) return "unknown";
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  return LISTEN_FAILURES[code] ?? error.message;
}

export function urlHost(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}
