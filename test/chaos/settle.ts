import * as v from "valibot";
import type { Status, UsersByTopic } from "./orders.ts";
import type { Stage } from "./stage.ts";
import { roomsOf, type World } from "./world.ts";

/** How long a run may take to come to rest. Whoever is not there by then is told of, and what is missing is found in the history. */
const BACK_WITHIN_MS = 40_000;
const REACH_WITHIN_MS = 8_000;
const PRESENCE_WITHIN_MS = 10_000;
/** Longer than the lease of a dead node, and than users whom Redis has lost are believed in. */
const SHARED_PRESENCE_WITHIN_MS = 45_000;
const POLL_MS = 50;

const place = v.object({ offset: v.number(), epoch: v.string() });
type Places = Readonly<Record<string, v.InferOutput<typeof place>>>;

/** Everybody is a member of all rooms, and all messages are confirmed. */
export async function everybodyBack(stage: Stage, problems: string[]): Promise<void> {
  const status = await until(
    () => statusOf(stage, {}),
    ({ away, unconfirmed }) => away === 0 && unconfirmed === 0,
    BACK_WITHIN_MS,
  );
  if (status.away > 0) problems.push(`${status.away} clients did not come back: ${status.names.join(" ")}`);
  if (status.unconfirmed > 0) problems.push(`${status.unconfirmed} messages were not confirmed`);
}

/** Everybody has got as far as the topics are, and whoever watches knows who is there. */
export async function settled(stage: Stage, world: World, problems: string[]): Promise<void> {
  await everybodyBack(stage, problems);
  const places = await placesOf(stage, world);
  const status = await until(
    () => statusOf(stage, places),
    ({ behind }) => behind === 0,
    REACH_WITHIN_MS,
  );
  if (status.behind > 0) problems.push(`${status.behind} clients stayed behind: ${status.names.join(" ")}`);
  const { users } = await statusOf(stage, places, true);
  for (const crew of stage.crews)
    await until(
      () => crew.order<"compare">({ do: "compare", users }),
      ({ different }) => different === 0,
      world.broker === "memory" ? PRESENCE_WITHIN_MS : SHARED_PRESENCE_WITHIN_MS,
    );
  for (const crew of stage.crews) await crew.order<"record-users">({ do: "record-users" });
  for (const [topic, ids] of Object.entries(users))
    stage.recorder.record({ op: "truth", client: "kit", topic, users: ids.toSorted() });
}

/** Where each topic is, as the first node says. A topic in which nothing was ever said has no place to wait for. */
async function placesOf(stage: Stage, world: World): Promise<Places> {
  const places: Record<string, v.InferOutput<typeof place>> = {};
  for (const slug of roomsOf(world)) {
    const response = await stage.node(0).http(`/api/topics/room%3A${slug}/history?limit=1`);
    if (response.status === 200) places[`room:${slug}`] = v.parse(place, await response.json());
  }
  return places;
}

/** Of all processes together. */
async function statusOf(stage: Stage, places: Places, withUsers = false): Promise<Omit<Status, "done">> {
  const sum = { clients: 0, away: 0, behind: 0, unconfirmed: 0, names: new Array<string>() };
  const users: UsersByTopic = {};
  for (const crew of stage.crews) {
    const status = await crew.order<"status">({ do: "status", places, withUsers });
    for (const name of ["clients", "away", "behind", "unconfirmed"] as const) sum[name] += status[name];
    sum.names.push(...status.names);
    for (const [topic, ids] of Object.entries(status.users)) users[topic] = [...(users[topic] ?? []), ...ids];
  }
  return { ...sum, users };
}

/** The last answer, which is the wanted one unless the time is over. */
async function until<T>(ask: () => Promise<T>, isWanted: (answer: T) => boolean, withinMs: number): Promise<T> {
  const deadlineMs = performance.now() + withinMs;
  for (;;) {
    const answer = await ask();
    if (isWanted(answer) || performance.now() > deadlineMs) return answer;
    await Bun.sleep(POLL_MS);
  }
}
