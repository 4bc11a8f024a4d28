import { bench, do_not_optimize, group } from "mitata";
import { Buckets, fullBucket, take } from "../../src/hub/limits.ts";

const rate = { perSecond: 1_000_000, burst: 1_000_000 };
const bucket = fullBucket(rate, 0);
const spent = { tokens: 0, updatedMs: Number.MAX_SAFE_INTEGER };
const buckets = new Buckets(rate);
const addresses = Array.from({ length: 4_096 }, (_, i) => `10.0.${i >> 8}.${i & 255}`);
for (const address of addresses) buckets.take(address, 1, 0);

let nowMs = 0;
let turn = 0;

group("limits", () => {
  bench("take, allowed", () => do_not_optimize(take(bucket, rate, 1, (nowMs += 0.01))));
  bench("take, refused", () => do_not_optimize(take(spent, rate, 1, 0)));
  bench("take of one address among 4,096", () =>
    do_not_optimize(buckets.take(addresses[(turn = (turn + 1) & 4_095)] ?? "", 1, (nowMs += 0.01))),
  );
});
