import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { expectUndisturbed } from "../support/bystander.ts";
import { type UpgradeRequest, upgradeRequest } from "../support/http.ts";
import { TestNode, token } from "../support/node.ts";
import type { RawPeer } from "../support/peer.ts";
import { codeOf, expectRejected } from "../support/rejected.ts";
import { rowsFor } from "../support/on-bun.ts";

/** Where a client says it comes from, directly and through a proxy; every peer here is 127.0.0.1. */

type Header = readonly [name: string, value: string];

const forwarded = (value: string): Header => ["X-Forwarded-For", value];

let node: TestNode;
let bystander: RawPeer;

async function start(settings: Record<string, string>): Promise<void> {
  node = await TestNode.start({
    ...{ HANDSHAKES_PER_SECOND: "1000", HANDSHAKE_BURST: "1000", AUTH_FAILURES_PER_MINUTE: "3" },
    ...settings,
  });
  bystander = await node.connect("bystander");
}

afterEach(() => node.stop());

/** The address that the audit log has for a good handshake with these headers. Ends the node. */
async function auditedAddress(...headers: readonly Header[]): Promise<unknown> {
  const peer = await node.upgraded({ path: `/ws?token=${token({ sub: "asked" })}`, headers });
  await peer.jsonOfType("connected");
  await expectUndisturbed(bystander);
  const records = await node.auditAfterStop();
  return records.find(({ event, userId }) => event === "connection.accepted" && userId === "asked")?.["address"];
}

async function statusOf(request: UpgradeRequest): Promise<number> {
  const peer = await node.peer();
  const { status } = await peer.upgrade({ path: "/ws", ...request });
  peer.destroy();
  return status;
}

/** Bad tokens, one for each list of headers: what they are answered. */
async function failures(lists: readonly (readonly Header[])[]): Promise<number[]> {
  const statuses: number[] = [];
  for (const [index, headers] of lists.entries()) {
    statuses.push(await statusOf({ path: `/ws?token=bad.${index}.token`, headers }));
  }
  return statuses;
}

describe("a client that is no proxy", () => {
  beforeEach(() => start({ TRUSTED_PROXIES: "10.0.0.0/8" }));

  test.each([
    ["X-Forwarded-For", "1.2.3.4"],
    ["X-Forwarded-For", "10.0.0.7"],
    ["Forwarded", "for=1.2.3.4"],
    ["X-Real-IP", "1.2.3.4"],
    ["CF-Connecting-IP", "1.2.3.4"],
    ["True-Client-IP", "1.2.3.4"],
    ["X-Client-IP", "1.2.3.4"],
  ])("is known by its own address, whatever it says in %s: %s", async (name, value) => {
    expect(await auditedAddress([name, value])).toBe("127.0.0.1");
  });

  test("does not get another limit for every address that it makes up", async () => {
    const lists = Array.from({ length: 6 }, (_, index) => [forwarded(`198.51.100.${index}`)]);
    expect(await failures(lists)).toEqual([401, 401, 401, 429, 429, 429]);
    await expectUndisturbed(bystander);
  });

  test("cannot make its page the node's own by the host and scheme that it claims", async () => {
    const cookie: Header = ["Cookie", `access_token=${token()}`];
    for (const headers of [
      [cookie, ["Origin", "https://localhost"], ["X-Forwarded-Proto", "https"]],
      [cookie, ["Origin", "http://evil.example"], ["X-Forwarded-Host", "evil.example"]],
      [cookie, ["Origin", "http://evil.example"], ["Forwarded", "host=evil.example;proto=http"]],
    ] satisfies Header[][]) {
      const peer = await node.peer();
      peer.writeRaw(upgradeRequest({ path: "/ws", headers }));
      expect(codeOf(await expectRejected(peer, [403]))).toBe("ORIGIN_FORBIDDEN");
    }
    await expectUndisturbed(bystander);
  });
});

describe("behind a trusted proxy", () => {
  beforeEach(() => start({ TRUSTED_PROXIES: "127.0.0.1,10.0.0.0/8" }));

  test("the rightmost address that is no proxy's is the client's", async () => {
    expect(await auditedAddress(forwarded("6.6.6.6, 203.0.113.9, 10.0.0.7"))).toBe("203.0.113.9");
  });

  test("several header lines are one list in their order", async () => {
    expect(await auditedAddress(forwarded("6.6.6.6"), forwarded("203.0.113.9"))).toBe("203.0.113.9");
  });

  test("only the configured header counts", async () => {
    const others: Header[] = [
      ["Forwarded", "for=1.2.3.4"],
      ["X-Real-IP", "1.2.3.4"],
      ["CF-Connecting-IP", "1.2.3.4"],
    ];
    expect(await auditedAddress(...others, forwarded("203.0.113.9"))).toBe("203.0.113.9");
  });

  test("garbage leaves the peer's own address, and every other form becomes the one form of an address", async () => {
    const rows: readonly (readonly [value: string, address: string])[] = [
      ["", "127.0.0.1"],
      ["unknown", "127.0.0.1"],
      [",,,", "127.0.0.1"],
      ["1.2.3.4:5678", "1.2.3.4"],
      ["[2001:db8::1]:99", "2001:db8::1"],
      ["[2001:DB8:0:0:0:0:0:1]", "2001:db8::1"],
      ["::ffff:1.2.3.4", "1.2.3.4"],
      ["0x7f.1", "127.0.0.1"],
      ["1.2.3", "127.0.0.1"],
      ["1.2.3.04", "127.0.0.1"],
      ["1.2.3.256", "127.0.0.1"],
      ["16909060", "127.0.0.1"],
      ["1.2.3.4, ", "127.0.0.1"],
      ["fe80::1%eth0", "fe80::1"],
      ["::1", "::1"],
      ["localhost", "127.0.0.1"],
      ["_hidden", "127.0.0.1"],
      ['"1.2.3.4"', "127.0.0.1"],
      ["1.2.3.4 5.6.7.8", "127.0.0.1"],
      ["1.2.3.4\t", "1.2.3.4"],
      ["\xff\xfe", "127.0.0.1"],
      ["constructor", "127.0.0.1"],
      ["1.2.3.4,".repeat(1_250), "127.0.0.1"],
    ];
    for (const [index, [value]] of rows.entries()) {
      const peer = await node.peer();
      const path = `/ws?token=${token({ sub: `row-${index}` })}`;
      peer.writeRaw(Buffer.from(upgradeRequest({ path, headers: [forwarded(value)] }), "latin1"));
      expect((await peer.response()).status).toBe(101);
      await peer.jsonOfType("connected");
    }
    await expectUndisturbed(bystander);
    const records = await node.auditAfterStop();
    const accepted = records.filter(({ event }) => event === "connection.accepted");
    const address = (user: string) => accepted.find(({ userId }) => userId === user)?.["address"];
    expect(rows.map(([value], index) => [value.slice(0, 40), address(`row-${index}`)])).toEqual(
      rows.map(([value, expected]) => [value.slice(0, 40), expected]),
    );
  });

  test("garbage is limited like the proxy itself, not as a client of its own", async () => {
    const lists = ["unknown", "", "0x7f.1", ",,,", "undefined"].map((value) => [forwarded(value)]);
    expect(await failures(lists)).toEqual([401, 401, 401, 429, 429]);
  });

  test("the addresses of one /64 share a limit, those of another do not, and IPv4 in IPv6 is IPv4", async () => {
    const inOne = Array.from({ length: 25 }, (_, index) => [forwarded(`2001:db8:1:2:${index.toString(16)}::1`)]);
    expect((await failures(inOne)).filter((status) => status === 401)).toHaveLength(3);
    expect(await statusOf({ path: "/ws?token=a.b.c", headers: [forwarded("2001:db8:1:3::1")] })).toBe(401);
    const mapped = ["1.2.3.4", "::ffff:1.2.3.4", "::ffff:102:304", "1.2.3.4:99", "1.2.3.5"];
    expect(await failures(mapped.map((value) => [forwarded(value)]))).toEqual([401, 401, 401, 429, 401]);
    await expectUndisturbed(bystander);
  });

  test("its word on scheme and host counts, once each", async () => {
    const cookie: Header = ["Cookie", `access_token=${token()}`];
    const secure: Header = ["X-Forwarded-Proto", "https"];
    const host: Header = ["X-Forwarded-Host", "node.example"];
    const page: Header = ["Origin", "https://node.example"];
    expect(await statusOf({ headers: [cookie, page, secure, host] })).toBe(101);
    expect(await statusOf({ headers: [cookie, page, host] })).toBe(403);
    expect(await statusOf({ headers: [cookie, page, secure] })).toBe(403);
    expect(await statusOf({ headers: [cookie, page, secure, ["X-Forwarded-Host", "evil.example"], host] })).toBe(403);
    expect(await statusOf({ headers: [cookie, page, ["X-Forwarded-Proto", "http"], secure, host] })).toBe(403);
  });
});

describe("behind a proxy that nobody named", () => {
  beforeEach(() => start({}));

  test("clients do not share one limit, and the log says so once", async () => {
    const lists = Array.from({ length: 8 }, (_, index) => [forwarded(`198.51.100.${index}`)]);
    expect(await failures(lists)).toEqual(lists.map(() => 401));
    await expectUndisturbed(bystander);
    const warnings = (await node.logAfterStop()).filter(({ level }) => level === "warn");
    expect(warnings).toMatchObject([{ peer: "127.0.0.1", msg: expect.stringContaining("TRUSTED_PROXIES") }]);
  });
});

describe("the PROXY protocol", () => {
  beforeEach(() => start({ TRUSTED_PROXIES: "127.0.0.1" }));

  const upgrade = Buffer.from(upgradeRequest({ path: `/ws?token=${token({ sub: "asked" })}` }));

  test.each(
    rowsFor(
      "proxy",
      ["as bytes"],
      [
        ["as text", Buffer.from("PROXY TCP4 1.2.3.4 5.6.7.8 1111 80\r\n")],
        ["as text without addresses", Buffer.from("PROXY UNKNOWN\r\n")],
        [
          "as bytes",
          Buffer.concat([
            Buffer.from("0d0a0d0a000d0a515549540a2111000c", "hex"),
            Buffer.from("0102030405060708045700500000", "hex").subarray(0, 12),
          ]),
        ],
      ],
    ),
  )("%s is no HTTP, from a trusted proxy too", async (_what, header) => {
    const peer = await node.peer();
    peer.writeRaw(Buffer.concat([header, upgrade]));
    await peer.ended(15_000);
    for (const { status } of peer.responses()) expect([400, 505]).toContain(status);
    await expectUndisturbed(bystander);
    expect(JSON.stringify(await node.auditAfterStop())).not.toMatch(/1\.2\.3\.4|"asked"/);
  });
});
