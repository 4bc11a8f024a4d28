import { describe, expect, test } from "bun:test";
import { Counter, Registry } from "prom-client";
import type { MetricsPorts } from "../../src/api/metrics.ts";
import { Rig } from "./ports.ts";

const registry = new Registry();
new Counter({ name: "tautline_test_total", help: "Things counted", registers: [registry] }).inc(3);

function ports(token: string | null, open: boolean): MetricsPorts {
  return { token, open, render: () => registry.metrics(), contentType: registry.contentType };
}

describe("GET /metrics", () => {
  test("without a token it is open where it may be", async () => {
    using rig = await Rig.open(() => ({ metrics: ports(null, true) }));
    const response = await rig.fetch("/metrics");
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe(registry.contentType);
    expect(await response.text()).toContain("tautline_test_total 3");
  });

  test("without a token in production it looks like any path that is not there", async () => {
    using rig = await Rig.open(() => ({ metrics: ports(null, false) }));
    for (const method of ["GET", "POST"]) {
      const metrics = await rig.fetch("/metrics", { method });
      const nothing = await rig.fetch("/nothing", { method });
      expect([metrics.status, await metrics.text()]).toEqual([404, await nothing.text()]);
    }
  });

  test.each([true, false])("with a token only that token is let in (open: %p)", async (open) => {
    using rig = await Rig.open(() => ({ metrics: ports("the-scrape-token", open) }));
    const status = async (headers: Record<string, string>): Promise<[number, string | null]> => {
      const response = await rig.fetch("/metrics", { headers });
      const body = await response.text();
      if (response.status !== 200) expect(body).not.toContain("tautline_test_total");
      return [response.status, response.headers.get("www-authenticate")];
    };
    expect(await status({ Authorization: "Bearer the-scrape-token" })).toEqual([200, null]);
    expect(await status({ Authorization: "bearer the-scrape-token" })).toEqual([200, null]);
    for (const wrong of [
      "",
      "Bearer",
      "Bearer the-scrape-toke",
      "Bearer the-scrape-token x",
      "Basic the-scrape-token",
    ]) {
      expect(await status({ Authorization: wrong })).toEqual([401, "Bearer"]);
    }
    expect(await status({})).toEqual([401, "Bearer"]);
  });
});
