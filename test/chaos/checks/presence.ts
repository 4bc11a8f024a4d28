import type { Check, Evidence, Finding } from "../check.ts";
import type { Seen, Truth } from "../history.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Member } from "../ledger/member.ts";

/** In the end everybody is told who is there, and on the way each coming has one going. */
export const presence: Check = {
  name: "presence",
  *find({ ledger }: Evidence) {
    const joined = usersOf(ledger);
    for (const member of ledger.members()) yield* findingsOf(member, ledger.truths, joined.get(member.topic));
  },
};

/** Who ever joined, by topic; only where every join says it. */
function usersOf(ledger: Ledger): ReadonlyMap<string, ReadonlySet<string>> {
  const users = new Map<string, Set<string>>();
  const unknown = new Set<string>();
  for (const member of ledger.members()) {
    member.replay({
      onMark(mark) {
        if (mark.op !== "join") return;
        if (mark.user === undefined) unknown.add(mark.topic);
        else users.set(mark.topic, (users.get(mark.topic) ?? new Set()).add(mark.user));
      },
    });
  }
  for (const topic of unknown) users.delete(topic);
  return users;
}

function findingsOf(member: Member, truths: readonly Truth[], joined?: ReadonlySet<string>): readonly Finding[] {
  const findings: Finding[] = [];
  const { topic } = member;
  const add = (text: string): void => {
    findings.push({ check: "presence", client: member.client.name, topic, text });
  };
  // What it was told last about each user, true for come. Its own join begins anew.
  const told = new Map<string, boolean>();
  member.replay({
    onMark(mark) {
      switch (mark.op) {
        case "join":
        case "leave":
        case "diff":
          told.clear();
          return;
        case "joined":
        case "left": {
          const { op, user } = mark;
          const hasCome = op === "joined";
          if (told.get(user) === hasCome) add(`${user} ${op} twice`);
          else if (joined?.has(user) === false) add(`${user} ${op}, and never was a member`);
          told.set(user, hasCome);
          return;
        }
        case "seen":
          for (const text of differences(mark, truths)) add(text);
          return;
        default:
      }
    },
  });
  return findings;
}

/** Compared with what was true at the time nearest to it: there may be several times of rest in a run. */
function differences({ topic, atMs, users }: Seen, truths: readonly Truth[]): readonly string[] {
  const [truth] = truths
    .filter((known) => known.topic === topic)
    .toSorted((a, b) => Math.abs(a.atMs - atMs) - Math.abs(b.atMs - atMs));
  if (truth === undefined) return ["nobody said who really is there"];
  const seen = new Set(users);
  const real = new Set(truth.users);
  const ghosts = [...seen.difference(real)].map((user) => `${user} is seen and is not there`);
  const absent = [...real.difference(seen)].map((user) => `${user} is there and is not seen`);
  const repeated = users.length > seen.size ? ["a user is seen twice"] : [];
  return [...ghosts, ...absent, ...repeated];
}
