import { describe, expect, test } from "bun:test";
import { NOW_MS, Rig } from "./ports.ts";

describe("GET /health and GET /ready", () => {
  test("a ready node is healthy and ready", async () => {
    using rig = await Rig.open();
    for (const path of ["/health", "/ready"]) expect((await rig.fetch(path)).status).toBe(200);
  });

  test.each([
    [["draining"], "DRAINING", "Restarting"],
    [["broker"], "UNAVAILABLE", "Temporarily unavailable"],
    [["broker", "draining"], "DRAINING", "Restarting"],
  ])("for %j it stays healthy, is not ready, and says why", async (reasons, code, message) => {
    using rig = await Rig.open(() => ({ readiness: () => ({ ready: false, reasons, degraded: [] }) }));
    expect((await rig.fetch("/health")).status).toBe(200);
    const response = await rig.fetch("/ready");
    expect(response.status).toBe(503);
    expect(response.headers.get("retry-after")).toBe("1");
    expect(await response.json()).toEqual({
      type: "error",
      code,
      message,
      timestamp: NOW_MS,
      retryAfterMs: 1_000,
      reasons,
    });
  });

  test("what is wrong beside it is named, and takes no node away from its clients", async () => {
    using rig = await Rig.open(() => ({ readiness: () => ({ ready: true, reasons: [], degraded: ["audit"] }) }));
    const response = await rig.fetch("/ready");
    expect([response.status, await response.json()]).toEqual([200, { status: "ready", degraded: ["audit"] }]);
  });
});
