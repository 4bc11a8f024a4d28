import { describe, expect, test } from "bun:test";
import type { RevocationKind, RevokedElsewhere } from "../../src/broker/broker.ts";
import { revokedElsewhere } from "../../src/hub/revoked-elsewhere.ts";
import { claims, signed } from "../auth/tokens.ts";
import { HubRig } from "../support/hub.ts";

const NOW_S = Math.floor(Date.UTC(2026, 0, 1) / 1_000);

/** As its store knows them by then. */
function told(rig: HubRig, ...named: readonly [RevocationKind, string, (number | null)?][]): void {
  const revocations = named.map(([kind, value, issuedBeforeMs = null]): RevokedElsewhere => {
    return { kind, value, issuedBeforeMs, untilMs: rig.clock.now() + 60_000, node: "node-2" };
  });
  for (const { node: _node, ...revocation } of revocations) rig.revocations.add(revocation);
  revokedElsewhere(rig.hub, revocations);
}

function audited(rig: HubRig) {
  return rig.audit.filter(({ event }) => event === "token.revoked").map(({ about }) => about);
}

describe("what another node was told to revoke", () => {
  test("closes the connections of this one that live by it, and no others", () => {
    const rig = new HubRig();
    const jti = rig.connect("ada", undefined, { jti: "j1" });
    const sid = rig.connect("bob", undefined, { sid: "s1", jti: "j2" });
    const users = [rig.connect("carl"), rig.connect("carl", undefined, { jti: "j3" })];
    const others = [rig.connect("ada", undefined, { jti: "j4", sid: "s2" }), rig.connect("j1"), rig.connect("s1")];
    told(rig, ["jti", "j1"], ["sid", "s1"], ["sub", "carl"]);
    for (const { socket } of [jti, sid, ...users]) expect(socket.closed).toEqual({ code: 4003, reason: "REVOKED" });
    for (const { socket } of others) expect(socket.closed).toBeNull();
  });

  test("leaves alone a token that was issued later than is meant", () => {
    const rig = new HubRig();
    const early = rig.connect("ada", undefined, { issuedAtMs: (NOW_S - 10) * 1_000 });
    const late = rig.connect("ada", undefined, { issuedAtMs: NOW_S * 1_000 });
    told(rig, ["sub", "ada", (NOW_S - 5) * 1_000]);
    expect([early.socket.closed?.code, late.socket.closed]).toEqual([4003, null]);
  });

  test("is audited here as well, each order once, with this node's connections and the node that was told", () => {
    const rig = new HubRig();
    rig.connect("ada", undefined, { jti: "j1" });
    rig.connect("bob");
    rig.connect("bob");
    told(rig, ["jti", "j1"], ["sub", "bob"], ["sid", "nobody"]);
    expect(audited(rig)).toEqual([
      { by: "node", kind: "jti", connections: 1, orderedOn: "node-2", ofUser: "ada" },
      { by: "node", kind: "sub", connections: 2, orderedOn: "node-2", ofUser: "bob" },
      { by: "node", kind: "sid", connections: 0, orderedOn: "node-2" },
    ]);
  });

  test("ends what a second token granted, and not the connection", () => {
    const rig = new HubRig();
    const { connection, socket } = rig.connect("ada");
    const token = signed(claims({ sub: "ada", jti: "second", topics: { "conversation:1": ["read"] } }));
    rig.receive(connection, { type: "subscribe", topic: "conversation:1", token });
    socket.take();
    told(rig, ["jti", "second"]);
    expect(socket.take()).toMatchObject([{ type: "unsubscribed", topic: "conversation:1", code: "REVOKED" }]);
    expect([socket.closed, connection.grants]).toEqual([null, null]);
  });

  test("comes as thousands at once after a while alone, and is found in one look at the connections", () => {
    const rig = new HubRig({ maxConnectionsPerUser: 10_000 });
    const connections = Array.from({ length: 500 }, (_, n) => rig.connect("ada", undefined, { jti: `j${n}` }));
    told(rig, ...Array.from({ length: 5_000 }, (_, n): ["jti", string] => ["jti", `j${n + 250}`]));
    expect(connections.filter(({ socket }) => socket.closed !== null)).toHaveLength(250);
    expect(audited(rig)).toHaveLength(5_000);
  });
});
