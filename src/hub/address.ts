import ipaddr from "ipaddr.js";

/** Where a request came from. */
export interface ClientAddress {
  /** Canonical text of the client's address; "" on a Unix socket without a proxy header. */
  readonly address: string;
  /** What per-address limits count: IPv4, or the /64 of IPv6. Null where no such limit applies. */
  readonly key: string | null;
  /** The peer is a trusted proxy: its other forwarded headers count too. */
  readonly isProxied: boolean;
}

export interface AddressOptions {
  /** Addresses and CIDR ranges of proxies. */
  readonly trustedProxies: readonly string[];
  /** Lower-case name of the one header that they set. */
  readonly forwardedHeader: string;
}

/** What is known of a TCP peer; its connections share it. */
interface Peer {
  readonly itself: ClientAddress;
  readonly isTrusted: boolean;
  /** When it sends the forwarded header although nobody named it a proxy: then no limit counts all its clients as one. */
  readonly unnamed: ClientAddress | null;
}

type Ip = ipaddr.IPv4 | ipaddr.IPv6;

/** A header that is longer than this is not read: no chain of proxies is. */
const MAX_FORWARDED_LENGTH = 2_048;
/** Peers that are remembered: a direct client reconnects, and a proxy is the peer of all its clients. */
const MAX_PEERS = 10_000;
const LOCAL_RANGES = new Set(["loopback", "private", "uniqueLocal", "linkLocal", "unspecified"]);

/**
 * Finds the client's address: the TCP peer, or, when that is a trusted proxy, the rightmost address of the forwarded header that is not
 * one. Garbage falls back to the peer.
 */
export class Addresses {
  readonly #trusted: readonly [Ip, number][];
  readonly #header: string;
  readonly #warn: (peer: string) => void;
  readonly #peers = new Map<string, Peer>();
  #hasWarned = false;

  /** Throws `Error` naming the entry of `trustedProxies` that is none. `warn` is called once, for a proxy that nobody named. */
  constructor(options: AddressOptions, warn: (peer: string) => void) {
    this.#trusted = options.trustedProxies.map(parseRange);
    this.#header = options.forwardedHeader;
    this.#warn = warn;
  }

  /** Peers that are remembered. */
  get peers(): number {
    return this.#peers.size;
  }

  find(peerAddress: string, header: (name: string) => string | null): ClientAddress {
    const forwarded = header(this.#header);
    if (peerAddress === "") return this.#fromSocketFile(forwarded);
    const peer = this.#peers.get(peerAddress) ?? this.#remember(peerAddress);
    if (forwarded === null) return peer.itself;
    if (peer.isTrusted) {
      const client = this.#client(forwarded);
      return client === null ? peer.itself : { ...describe(client), isProxied: true };
    }
    if (peer.unnamed === null) return peer.itself;
    this.#warnOnce(peerAddress);
    return peer.unnamed;
  }

  #remember(peerAddress: string): Peer {
    if (this.#peers.size >= MAX_PEERS) this.#peers.clear();
    const peer = this.#describePeer(peerAddress);
    this.#peers.set(peerAddress, peer);
    return peer;
  }

  #describePeer(peerAddress: string): Peer {
    const ip = parseIp(peerAddress);
    if (ip === null) return { itself: { address: "", key: null, isProxied: false }, isTrusted: false, unnamed: null };
    const isTrusted = this.#isTrusted(ip);
    const itself = { ...describe(ip), isProxied: isTrusted };
    const isUnnamed = this.#trusted.length === 0 && isLocal(ip);
    return { itself, isTrusted, unnamed: isUnnamed ? { ...itself, key: null } : null };
  }

  /** Only a local process can connect there: it counts as a trusted proxy when any is named. */
  #fromSocketFile(forwarded: string | null): ClientAddress {
    const client = this.#trusted.length > 0 ? this.#client(forwarded) : null;
    if (client === null) return { address: "", key: null, isProxied: this.#trusted.length > 0 };
    return { ...describe(client), isProxied: true };
  }

  /** From the right: the first address that is not a trusted proxy's. */
  #client(forwarded: string | null): Ip | null {
    if (forwarded === null || forwarded.length > MAX_FORWARDED_LENGTH) return null;
    let last: Ip | null = null;
    for (const part of forwarded.split(",").toReversed()) {
      const ip = parseForwarded(part.trim());
      if (ip === null) return last;
      last = ip;
      if (!this.#isTrusted(ip)) return ip;
    }
    return last;
  }

  #isTrusted(ip: Ip): boolean {
    return this.#trusted.some(([range, bits]) => range.kind() === ip.kind() && ip.match(range, bits));
  }

  #warnOnce(peer: string): void {
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    this.#warn(peer);
  }
}

function parseRange(text: string): [Ip, number] {
  const [address = "", bitsText] = text.split("/");
  const ip = parseIp(address);
  const width = ip?.kind() === "ipv4" ? 32 : 128;
  const bits = bitsText === undefined ? width : /^\d{1,3}$/.test(bitsText) ? Number(bitsText) : -1;
  if (ip === null || bits < 0 || bits > width || text.split("/").length > 2) {
    throw new Error(`TRUSTED_PROXIES: "${text.slice(0, 64)}" is neither an address nor a CIDR range`);
  }
  const network = bitsText === undefined || ip.toString() === networkOf(ip, bits);
  if (!network) throw new Error(`TRUSTED_PROXIES: "${text.slice(0, 64)}" has bits set beyond its prefix`);
  return [ip, bits];
}

function networkOf(ip: Ip, bits: number): string {
  const text = `${ip.toString()}/${bits}`;
  return ip.kind() === "ipv4"
    ? ipaddr.IPv4.networkAddressFromCIDR(text).toString()
    : ipaddr.IPv6.networkAddressFromCIDR(text).toString();
}

/** An address in its usual form only: `0x7f.1` and `127.1` are none. IPv4 in IPv6 is IPv4; a zone is dropped. */
function parseIp(text: string): Ip | null {
  if (text.length > 64) return null;
  const bare = text.split("%", 1)[0] ?? "";
  if (ipaddr.IPv4.isValidFourPartDecimal(bare)) return ipaddr.IPv4.parse(bare);
  if (!bare.includes(":") || !ipaddr.IPv6.isValid(bare)) return null;
  const ip = ipaddr.IPv6.parse(bare);
  return ip.isIPv4MappedAddress() ? ip.toIPv4Address() : ip;
}

/** Some proxies add the port: `1.2.3.4:5678`, `[2001:db8::1]:99`. */
function parseForwarded(text: string): Ip | null {
  const bracketed = /^\[([^\]]{1,64})\](?::\d{1,5})?$/.exec(text);
  if (bracketed !== null) return parseIp(bracketed[1] ?? "");
  const withPort = /^([\d.]{7,15}):\d{1,5}$/.exec(text);
  return parseIp(withPort?.[1] ?? text);
}

function isLocal(ip: Ip): boolean {
  return LOCAL_RANGES.has(ip.range());
}

function describe(ip: Ip): { address: string; key: string } {
  if (ip.kind() === "ipv4") return { address: ip.toString(), key: ip.toString() };
  const key = ipaddr.IPv6.networkAddressFromCIDR(`${ip.toString()}/64`).toString();
  return { address: ip.toString(), key: `${key}/64` };
}
