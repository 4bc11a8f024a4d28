import { expect, test } from "bun:test";
import * as v from "valibot";

const Loaded = v.object({ hono: v.number(), redis: v.number() });

/** How many modules of two packages a process holds once it has loaded another module. */
async function loadedWith(path: string): Promise<v.InferOutput<typeof Loaded>> {
  const program = `
    await import(${JSON.stringify(path)});
    const count = (name) => Object.keys(require.cache).filter((file) => file.includes("/node_modules/" + name + "/")).length;
    console.log(JSON.stringify({ hono: count("hono"), redis: count("@redis") }));`;
  const child = Bun.spawn([process.execPath, "-e", program], { cwd: `${import.meta.dir}/..`, stderr: "inherit" });
  return v.parse(Loaded, JSON.parse(await child.stdout.text()));
}

test("a node that is alone starts without the library of Redis, which takes as long to load as all else", async () => {
  const alone = await loadedWith("./src/node.ts");
  expect(alone.hono).toBeGreaterThan(0);
  expect(alone.redis).toBe(0);
  expect((await loadedWith("./src/node-redis.ts")).redis).toBeGreaterThan(0);
});
