import { payloadHash } from "../payload-hash.ts";

/**
 * Which of several a topic belongs to: the one whose name and the topic's make the highest hash together. Each node comes to the same, and one
 * more moves no topics but those that it gets (rendezvous hashing, Thaler and Ravishankar 1998).
 */
export function shardOf<T extends { readonly name: string }>(shards: readonly T[], topic: string): T {
  const [first, ...others] = shards;
  if (first === undefined) throw new Error("there is no shard");
  let best = first;
  if (others.length === 0) return best;
  let most = weightOf(first, topic);
  for (const shard of others) {
    const weight = weightOf(shard, topic);
    if (weight > most) {
      most = weight;
      best = shard;
    }
  }
  return best;
}

function weightOf({ name }: { readonly name: string }, topic: string): number {
  return payloadHash(`${name}\n${topic}`).high >>> 0;
}
