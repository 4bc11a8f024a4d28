/** `bun run bench:micro`: what one operation of the hot path costs, by mitata. Every `*.bench.ts` beside this file takes part. */
import { isatty } from "node:tty";
import { run } from "mitata";
import { join } from "node:path";

for (const file of [...new Bun.Glob("*.bench.ts").scanSync(import.meta.dir)].toSorted()) {
  await import(join(import.meta.dir, file));
}
await run({ throw: true, colors: isatty(1) });
