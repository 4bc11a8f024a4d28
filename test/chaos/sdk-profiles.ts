import type { Profile } from "./profile.ts";
import type { World } from "./world.ts";

/** The profiles that the SDK runs as well, and how long in a run of all of them. */
const RUN_BY_THE_SDK: Readonly<Record<string, number>> = {
  flaps: 5,
  "lost-acks": 4,
  cuts: 4,
  kill: 4,
  drain: 5,
  expiry: 10,
};
const SHORT_TOKEN_S = 6;

/** The same faults and the same promises, with the SDK in the place of the kit's own clients. */
export function withSdk(profiles: Readonly<Record<string, Profile>>): Readonly<Record<string, Profile>> {
  const names = Object.entries(RUN_BY_THE_SDK).flatMap(([name, ciSeconds]) => {
    const profile = profiles[name];
    if (profile === undefined) throw new RangeError(`no profile ${name}`);
    return [[`sdk-${name}`, bySdk(profile, ciSeconds)] as const];
  });
  return { ...profiles, ...Object.fromEntries(names) };
}

function bySdk(profile: Profile, ciSeconds: number): Profile {
  return {
    ...{ ...profile, ciSeconds, summary: `the SDK: ${profile.summary}` },
    world: (span) => worldOfSdk(profile.world(span)),
  };
}

/** A client shows another token only when the one that it has comes to its end. */
function worldOfSdk(world: World): World {
  const { plan } = world.subscribers;
  if (plan === undefined) return { ...world, client: "sdk" };
  const short = (index: number) => ({ ...plan(index), tokenTtlS: SHORT_TOKEN_S });
  return { ...world, client: "sdk", subscribers: { ...world.subscribers, plan: short } };
}
