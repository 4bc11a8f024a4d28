import { Subject } from "./subject.ts";
import { Visitors } from "./visitors.ts";
import { restOf } from "./rest.ts";
const rate = Number(process.argv[2]),
  ms = Number(process.argv[3]) * 1000,
  cycles = Number(process.argv[4]),
  looks = Number(process.argv[5] ?? 60);
const s = await Subject.start();
const M = 2 ** 20;
for (let c = 0; c < cycles; c++) {
  const v = new Visitors(s, rate, c + 1);
  let peak = 0;
  const t = performance.now();
  while (performance.now() - t < ms) {
    await Bun.sleep(3000);
    peak = Math.max(peak, (await s.sample(0, false)).residentBytes);
  }
  const r = await v.end();
  const x = await restOf(s, { endedTopics: 90000, looks }, () => 0);
  console.log(
    "cycle",
    c,
    "visits",
    Object.values(r.visits).reduce((a, b) => a + b, 0),
    "peak",
    (peak / M).toFixed(0),
    "rss",
    (x.sample.residentBytes / M).toFixed(1),
    "first",
    (x.residentBytes[0]! / M).toFixed(1),
    "heap",
    (x.sample.heapBytes / M).toFixed(2),
    "obj",
    x.sample.objects,
    "code",
    x.types["FunctionCodeBlock"],
    "str",
    x.types["string"],
    JSON.stringify(r.unexpected),
  );
}
await s.stop();
process.exit();
