/** `bun run bench`: the load scenarios as one table, then the micro-benchmarks. See bench/README.md. */
import { parseArgs } from "node:util";
import { join } from "node:path";
import { broadcast } from "./load/broadcast.ts";
import { isPinned } from "./load/children.ts";
import { BUN, uws } from "./load/engine.ts";
import { handshake } from "./load/handshake.ts";
import { memory } from "./load/memory.ts";
import { mixed } from "./load/mixed.ts";
import { presence } from "./load/presence.ts";
import { recovery } from "./load/recovery.ts";
import { writeReport } from "./load/report.ts";
import { FULL, QUICK, Rig } from "./load/rig.ts";
import { table, type Row } from "./load/row.ts";
import { SPECIMEN } from "./load/samples.ts";
import { start } from "./load/start.ts";
import { runOverRedis } from "./redis/run.ts";

const SCENARIOS: Readonly<Record<string, (rig: Rig) => Promise<Row[]>>> = {
  broadcast,
  mixed,
  handshake,
  recovery,
  presence,
  memory,
  start,
};

const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string" },
    micro: { type: "boolean", default: false },
    load: { type: "boolean", default: false },
    self: { type: "boolean", default: false },
    broker: { type: "string", default: "memory" },
    engine: { type: "string", default: "bun" },
  },
});

async function runLoad(): Promise<void> {
  const chosen = options.only === undefined ? Object.keys(SCENARIOS) : options.only.split(",");
  const plan = options.quick ? QUICK : FULL;
  const engines = options.engine === "uws" ? [BUN, await uws()] : [BUN];
  const rigs = engines.map((engine) => ({ engine, rig: new Rig(plan, options.self, engine) }));
  const rows: Row[] = [];
  for (const name of chosen) {
    const scenario = SCENARIOS[name];
    if (scenario === undefined) throw new Error(`no scenario ${name}: ${Object.keys(SCENARIOS).join(", ")}`);
    for (const { engine, rig } of rigs) {
      process.stderr.write(`${name} …\n`);
      const measured = await scenario(rig);
      const named = measured.map((row) => ({ ...row, scenario: `${engine.name}: ${row.scenario}` }));
      rows.push(...(rigs.length === 1 ? measured : named));
    }
  }
  console.log(`\n${table(rows)}\n`);
  const samples = rigs[0]?.rig.samples() ?? SPECIMEN;
  if (options.self)
    console.log("Self-check: both columns are the bare server; ratios away from 1.00 are the rig's error.");
  if (!isPinned)
    console.log("Not pinned (no taskset, or one core): server and generator share cores, so the figures are rough.");
  console.log(
    `Medians of the rounds (least–most). All rounds: bench/results/${writeReport(plan, await samples, rows)}`,
  );
}

async function runMicro(): Promise<void> {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "micro", "all.ts")], {
    stdout: "inherit",
    stderr: "inherit",
  });
  if ((await child.exited) !== 0) throw new Error("the micro-benchmarks failed");
}

try {
  if (options.broker !== "memory" && options.broker !== "redis") throw new Error("--broker is memory or redis");
  if (options.engine !== "bun" && options.engine !== "uws") throw new Error("--engine is bun or uws");
  if (options.broker === "redis") await runOverRedis(options.quick, options.only);
  else if (!options.micro) await runLoad();
  const isWhole =
    !options.load &&
    !options.quick &&
    options.only === undefined &&
    options.broker === "memory" &&
    options.engine === "bun";
  if (options.micro || isWhole) await runMicro();
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : "failed"}`);
  process.exitCode = 1;
}
process.exit(process.exitCode ?? 0);
