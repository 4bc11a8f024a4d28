/** One Redis or Valkey that topics are kept on, as `BROKER_URL` names it. */
export interface RedisAddress {
  /** Where it is, or where its Sentinels are: those are asked for the master before every connection. */
  readonly hosts: readonly { readonly host: string; readonly port: number }[];
  /** The name that the Sentinels know it by; null: `hosts` has one, and it is that. */
  readonly masterName: string | null;
  readonly tls: boolean;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly database: number;
  /** Before every key and channel. */
  readonly prefix: string;
}

/** Host and port, those of the first Sentinel with the name of the master: for logs, metrics, and which topics are kept there. */
export function addressName({ hosts, masterName }: RedisAddress): string {
  const [{ host, port } = { host: "", port: 0 }] = hosts;
  return masterName === null ? `${host}:${port}` : `${host}:${port}#${masterName}`;
}

const DEFAULT_PREFIX = "tautline:";
const PREFIX = /^[A-Za-z0-9_.:-]{1,64}$/;
const URL_SHAPE =
  /^(?<scheme>redis|rediss|redis-sentinel|rediss-sentinel):\/\/(?:(?<login>[^@/]*)@)?(?<hosts>[^/?#@]+)(?:\/(?<database>\d{1,4})?)?(?:\?prefix=(?<prefix>[^#&]+))?(?:#(?<master>[A-Za-z0-9_.-]{1,128}))?$/;
const HOST = /^(?:\[(?<v6>[0-9A-Fa-f:.]+)\]|(?<name>[A-Za-z0-9_.-]+))(?::(?<port>\d{1,5}))?$/;
const DEFAULT_PORT = 6_379;
const DEFAULT_SENTINEL_PORT = 26_379;

/**
 * `redis://[user:password@]host[:port][/database][?prefix=name:]`, with `rediss` over TLS, several with commas between them; and
 * `redis-sentinel://[user:password@]host[:port],host…[/database]#master`. Null for anything else: the text may hold a password, so nothing says
 * what is wrong with it.
 */
export function redisAddresses(url: string): readonly RedisAddress[] | null {
  const addresses = url.split(/,(?=rediss?(?:-sentinel)?:\/\/)/).map(addressOf);
  return addresses.every((address) => address !== null) ? addresses : null;
}

function addressOf(url: string): RedisAddress | null {
  const parts = URL_SHAPE.exec(url)?.groups;
  if (parts === undefined) return null;
  const { scheme = "", login, hosts: hostList = "", database, prefix, master } = parts;
  const isSentinel = scheme.endsWith("-sentinel");
  const hosts = hostList.split(",").map((host) => hostOf(host, isSentinel ? DEFAULT_SENTINEL_PORT : DEFAULT_PORT));
  const known = hosts.filter((host) => host !== null);
  const isWhole = known.length === hosts.length && (isSentinel ? master !== undefined : hosts.length === 1 && !master);
  const keyPrefix = prefix === undefined ? DEFAULT_PREFIX : decoded(prefix);
  const credentials = credentialsOf(login);
  if (!isWhole || keyPrefix === null || !PREFIX.test(keyPrefix) || credentials === null) return null;
  return {
    ...{ hosts: known, masterName: master ?? null, tls: scheme.startsWith("rediss"), ...credentials },
    ...{ database: Number(database ?? 0), prefix: keyPrefix },
  };
}

function hostOf(text: string, defaultPort: number): { host: string; port: number } | null {
  const parts = HOST.exec(text)?.groups;
  if (parts === undefined) return null;
  const port = parts["port"] === undefined ? defaultPort : Number(parts["port"]);
  return port >= 1 && port <= 65_535 ? { host: parts["v6"] ?? parts["name"] ?? "", port } : null;
}

function credentialsOf(login: string | undefined): Pick<RedisAddress, "username" | "password"> | null {
  if (login === undefined) return { username: undefined, password: undefined };
  const colon = login.indexOf(":");
  const username = decoded(colon === -1 ? login : login.slice(0, colon));
  const password = decoded(colon === -1 ? "" : login.slice(colon + 1));
  if (username === null || password === null) return null;
  return { username: username === "" ? undefined : username, password: password === "" ? undefined : password };
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}
