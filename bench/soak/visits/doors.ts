import { Client } from "../client.ts";
import type { World } from "../world.ts";

/** Visitors who come in by another door, or not at all. */

/** With a ticket; a second one is never used. */
export async function comesWithTicket(world: World): Promise<void> {
  const token = world.token(world.fresh("u"));
  const [ticket] = await Promise.all([ticketOf(world, token), ticketOf(world, token)]);
  const client = Client.dial(world, { query: `?ticket=${ticket}` });
  await client.greeted("connected");
  await world.pause(200);
  await client.close();
}

async function ticketOf(world: World, token: string): Promise<string> {
  const answer = await world.http("/api/ws/ticket", {
    ...{ method: "POST", status: 201, body: null },
    headers: { Authorization: `Bearer ${token}` },
  });
  return String(Object(answer).ticket);
}

/** Says who it is in the first frame. */
export async function saysWhoItIs(world: World): Promise<void> {
  const client = Client.dial(world, { path: "/" });
  await Bun.sleep(50 + world.random.below(100));
  const greeting = client.greeted("auth_success");
  client.send({ type: "auth", token: world.token(world.fresh("u")) });
  // Not open yet after that time on a busy machine: then nothing was sent, and it ends as one that says nothing.
  await Promise.race([greeting, client.ended()]);
  await client.close();
}

/** Never says who it is: half of them go, the others are shown out. */
export async function neverSaysWhoItIs(world: World): Promise<void> {
  const client = Client.dial(world, { path: "/" });
  if (world.random.isOneIn(2)) return client.endedWith(4001);
  await world.pause(500);
  await client.cut();
}

interface Refusal {
  readonly path: (user: string) => string;
  readonly query: (world: World, user: string) => string;
  readonly close: number;
}

/** What the upgrade is answered that is none: a client that speaks WebSocket sees no more of it. */
const NO_UPGRADE = 1002;

const wrong = (world: World, user: string): string => `?token=${world.token(user).slice(0, -10)}AAAAAAAAAA`;
const old = (world: World, user: string): string => {
  const nowS = Math.floor(world.nowMs / 1_000);
  return `?token=${world.token(user, { iat: nowS - 100, exp: nowS - 60 })}`;
};
const good = (world: World, user: string): string => `?token=${world.token(user)}`;

const REFUSALS: readonly [Refusal, ...Refusal[]] = [
  { path: () => "/ws", query: wrong, close: NO_UPGRADE },
  { path: () => "/ws", query: old, close: NO_UPGRADE },
  { path: () => "/ws", query: () => "", close: NO_UPGRADE },
  { path: () => "/ws", query: (world) => `?ticket=${world.fresh("ticket")}`, close: NO_UPGRADE },
  { path: () => "/nowhere", query: good, close: NO_UPGRADE },
  { path: (user) => `/ws/${user}`, query: wrong, close: 4001 },
  { path: () => "/ws/someone-else", query: good, close: 4003 },
  { path: () => "/", query: old, close: 4001 },
];

/** Is refused: by status, or with a code behind the upgrade. */
export async function isRefused(world: World): Promise<void> {
  const user = world.fresh("u");
  const { path, query, close } = REFUSALS[world.random.below(REFUSALS.length)] ?? REFUSALS[0];
  await Client.dial(world, { path: path(user), query: query(world, user) }).endedWith(close, 1006);
}

const SHORT_LIFE_S = 3;
/** How a connection ends, or is not made, whose token has ended. */
const TOO_LATE: ReadonlySet<string> = new Set(["closed 4001 instead of an answer", "closed 1006 instead of an answer"]);

/** Its token ends while it is there, or is replaced in time. */
export async function outlivesItsToken(world: World): Promise<void> {
  const user = world.fresh("u");
  const expiresS = Math.floor(world.nowMs / 1_000) + SHORT_LIFE_S;
  try {
    const client = await Client.connect(world, world.token(user, { exp: expiresS }));
    await client.ask({ type: "join_room", roomSlug: world.busyRoom() });
    if (world.random.isOneIn(2)) return await client.endedWith(4001);
    await client.ask({ type: "refresh", token: world.token(user, { jti: world.fresh("t") }) });
    await client.close();
  } catch (error) {
    // On a busy machine the token may have ended before the answer came.
    const isLate = world.nowMs >= expiresS * 1_000 && error instanceof Error && TOO_LATE.has(error.message);
    if (!isLate) throw error;
  }
}

/** A name and a password that nobody has. Few of them: each costs a password hash. */
export async function logsInInVain(world: World): Promise<void> {
  await world.http("/api/login", {
    ...{ method: "POST", status: 401, headers: { "Content-Type": "application/json" } },
    body: JSON.stringify({ username: world.fresh("nobody"), password: "correct horse" }),
  });
}
