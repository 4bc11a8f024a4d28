import { bench, do_not_optimize, group } from "mitata";
import { compileAccess, DEFAULT_ACCESS } from "../../src/access.ts";
import type { Principal } from "../../src/protocol/principal.ts";

const access = compileAccess(DEFAULT_ACCESS);
const user: Principal = {
  id: "u00001",
  wireId: "u00001",
  username: "alice",
  name: "Alice",
  roles: ["user"],
  permissions: [],
  topics: new Map([
    ["conversation:42", ["read", "write"]],
    ["conversation:team:**", ["read"]],
  ]),
  follows: [],
  expiresAtMs: null,
  issuedAtMs: null,
  jti: null,
  sid: null,
};

/** Of one constant topic the compiler keeps the answer, and nothing is measured. */
function varied(topic: string): () => string {
  const topics = Array.from({ length: 64 }, (_, i) => `${topic}${i}`);
  let turn = 0;
  return () => topics[(turn = (turn + 1) & 63)] ?? "";
}

const room = varied("room:general-chat-");
const team = varied("conversation:team:a:");
const nowhere = varied("nowhere:");

group("policy", () => {
  bench("write in a room", () => do_not_optimize(access.may(user, "write", room())));
  bench("read a granted conversation", () => do_not_optimize(access.may(user, "read", "conversation:42")));
  bench("read by a pattern", () => do_not_optimize(access.may(user, "read", team())));
  bench("an unknown namespace", () => do_not_optimize(access.may(user, "read", nowhere())));
});
