import { describe, expect, test } from "bun:test";
import { Addresses } from "../../src/hub/address.ts";

function find(peer: string, headers: Record<string, string>, trustedProxies: string[] = ["10.0.0.0/8", "127.0.0.1"]) {
  const warned: string[] = [];
  const addresses = new Addresses({ trustedProxies, forwardedHeader: "x-forwarded-for" }, (by) => warned.push(by));
  return { ...addresses.find(peer, (name) => headers[name] ?? null), warned };
}

describe("the client's address", () => {
  test.each([
    ["a header from a peer that is no proxy is ignored", "203.0.113.5", "1.2.3.4", "203.0.113.5"],
    ["the rightmost address that is no proxy counts", "10.0.0.5", "6.6.6.6, 203.0.113.9, 10.0.0.7", "203.0.113.9"],
    ["header lines are one list, in order", "10.0.0.5", "6.6.6.6, 203.0.113.9", "203.0.113.9"],
    ["a port is dropped", "10.0.0.5", "1.2.3.4:5678", "1.2.3.4"],
    ["brackets and port are dropped", "10.0.0.5", "[2001:db8::1]:99", "2001:db8::1"],
    ["IPv4 within IPv6 is IPv4", "10.0.0.5", "::ffff:1.2.3.4", "1.2.3.4"],
    ["a zone is dropped", "10.0.0.5", "fe80::1%eth0", "fe80::1"],
    ["a list of proxies only gives its first", "10.0.0.5", "10.0.0.8, 10.0.0.7", "10.0.0.8"],
    ["an empty header falls back to the peer", "10.0.0.5", "", "10.0.0.5"],
    ["unknown falls back to the peer", "10.0.0.5", "unknown", "10.0.0.5"],
    ["commas fall back to the peer", "10.0.0.5", ",,,", "10.0.0.5"],
    ["hexadecimal falls back to the peer", "10.0.0.5", "0x7f.1", "10.0.0.5"],
    ["three parts fall back to the peer", "10.0.0.5", "1.2.3", "10.0.0.5"],
    ["a list of 10 KB falls back to the peer", "10.0.0.5", "1.2.3.4,".repeat(1_250), "10.0.0.5"],
    ["garbage left of a proxy gives that proxy", "10.0.0.5", "junk, 10.0.0.7", "10.0.0.7"],
    ["a mapped peer is the proxy it is", "::ffff:10.0.0.5", "1.2.3.4", "1.2.3.4"],
  ])("%s", (_what, peer, forwarded, expected) => {
    expect(find(peer, { "x-forwarded-for": forwarded }).address).toBe(expected);
  });

  test("other forwarded headers are never read", () => {
    const headers = { forwarded: "for=1.2.3.4", "x-real-ip": "1.2.3.4", "cf-connecting-ip": "1.2.3.4" };
    expect(find("10.0.0.5", headers).address).toBe("10.0.0.5");
  });

  test("limits count one /64 of IPv6 as one, and IPv4 by address", () => {
    expect(find("2001:db8:1:2:aaaa::1", {}).key).toBe(find("2001:db8:1:2:bbbb::2", {}).key);
    expect(find("2001:db8:1:3::1", {}).key).not.toBe(find("2001:db8:1:2::1", {}).key);
    expect(find("203.0.113.5", {}).key).toBe("203.0.113.5");
  });

  test("a thousand addresses of one /64 are one to the limits", () => {
    const keys = Array.from(
      { length: 1_000 },
      (_, n) => find(`2001:db8:1:2:${n.toString(16)}:${(n * 7).toString(16)}::`, {}).key,
    );
    expect(new Set(keys)).toEqual(new Set(["2001:db8:1:2::/64"]));
  });

  test("an unnamed proxy is warned of once and its clients do not share one limit", () => {
    const warned: string[] = [];
    const addresses = new Addresses({ trustedProxies: [], forwardedHeader: "x-forwarded-for" }, (by) =>
      warned.push(by),
    );
    const header = (name: string) => (name === "x-forwarded-for" ? "1.2.3.4" : null);
    expect(addresses.find("127.0.0.1", header)).toMatchObject({ address: "127.0.0.1", key: null });
    expect(addresses.find("192.168.1.9", header).key).toBeNull();
    expect(warned).toEqual(["127.0.0.1"]);
    expect(addresses.find("8.8.8.8", header).key).toBe("8.8.8.8");
    expect(addresses.find("127.0.0.1", () => null).key).toBe("127.0.0.1");
  });

  test("only a trusted proxy's other headers count", () => {
    expect(find("10.0.0.5", {}).isProxied).toBe(true);
    expect(find("8.8.8.8", {}).isProxied).toBe(false);
  });

  test.each([
    "10.0.0.0/33",
    "10.0.0.1/8",
    "10.0.0",
    "example.com",
    "::/129",
    "1.2.3.4/",
    "1.2.3.4/-1",
    "1.2.3.4/8/8",
    "",
  ])("the range %p is refused", (range) => {
    expect(() => find("1.1.1.1", {}, [range])).toThrow("TRUSTED_PROXIES");
  });
});
