import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigError } from "../../src/config.ts";
import { until } from "../auth/tokens.ts";
import { expectUndisturbed } from "../support/bystander.ts";
import { TestNode } from "../support/node.ts";
import { oneNode } from "../support/one-node.ts";
import { onBunSuite } from "../support/on-bun.ts";

/** An audit log that cannot be written: the node serves on, counts what is lost, and says so wherever somebody looks. */

const folder = mkdtempSync(join(tmpdir(), "tautline-audit-"));
const nodes: TestNode[] = [];

afterEach(async () => {
  for (const node of nodes.splice(0)) await node.stop();
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function start(settings: Record<string, string>): Promise<TestNode> {
  const node = await TestNode.start(settings);
  nodes.push(node);
  return node;
}

async function readiness(node: TestNode): Promise<readonly [number, unknown]> {
  const response = await node.http("/ready");
  return [response.status, await response.json()];
}

/** Waits until `/ready` names no trouble. */
async function readyAgain(node: TestNode): Promise<void> {
  for (;;) {
    const [, body] = await readiness(node);
    if (!Bun.deepEquals(body, { status: "ready", degraded: ["audit"] })) return;
  }
}

describe("a node whose audit log is on a full disk", () => {
  oneNode("numbers")(
    "serves, counts the failures, names the trouble in /ready and in its log, and keeps what waits within a bound",
    async () => {
      const node = await start({ AUDIT_FILE: "/dev/full" });
      const bystander = await node.connect("bystander");
      await node.metricIs("tautline_audit_errors_total", (count) => count > 0);
      expect(await readiness(node)).toEqual([200, { status: "ready", degraded: ["audit"] }]);
      expect((await node.http("/health")).status).toBe(200);
      for (let round = 0; round < 5; round += 1) (await node.member("ada", `r${round}`)).close();
      await expectUndisturbed(bystander);
      expect((await node.metrics()).get("tautline_handler_failures_total")).toBe(0);
      const errors = (await node.metrics()).get("tautline_audit_errors_total") ?? 0;
      await node.metricIs("tautline_audit_errors_total", (count) => count > errors);
      const told = (await node.logAfterStop()).filter(({ msg }) => msg === "audit log");
      expect(told).toMatchObject([{ level: "warn", auditFailure: "ENOSPC" }]);
    },
  );
});

describe("a node whose audit log is a pipe", () => {
  oneNode("numbers")(
    "says when its reader is gone and when there is one again, and loses none of what fits meanwhile",
    async () => {
      const pipe = join(folder, "audit");
      expect(Bun.spawnSync(["mkfifo", pipe]).exitCode).toBe(0);
      const reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
      const node = await start({ AUDIT_FILE: pipe });
      const ada = await node.connect("ada");
      closeSync(reader);
      ada.send({ type: "join_room", roomSlug: "unread" });
      await ada.jsonOfType("room_joined");
      await node.metricIs("tautline_audit_errors_total", (count) => count > 0);
      expect(await readiness(node)).toEqual([200, { status: "ready", degraded: ["audit"] }]);
      await expectUndisturbed(ada);
      // The log is told once a second.
      await until(() => node.hasLogged(/"auditFailure":"EPIPE"/));

      const again = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
      ada.send({ type: "leave_room", roomSlug: "unread" });
      await ada.jsonOfType("room_left");
      await readyAgain(node);
      await until(() => node.hasLogged(/"auditFailure":null/));
      const buffer = Buffer.alloc(65_536);
      const records = buffer.toString("utf8", 0, readSync(again, buffer)).split("\n").slice(0, -1);
      closeSync(again);
      expect(records.map((line) => JSON.parse(line).event)).toContain("topic.joined");
      expect((await node.metrics()).get("tautline_audit_lost_total")).toBe(0);
      const told = (await node.logAfterStop()).filter(({ msg }) => msg === "audit log");
      expect(told.map(({ auditFailure }) => auditFailure)).toEqual(["EPIPE", null]);
    },
  );
});

onBunSuite("inside")("a node does not start without the audit log that it was told to write", () => {
  test.each([
    ["in a folder that is not there", "missing/audit.log", "ENOENT"],
    ["that is a folder", "", "EISDIR"],
    ["below a file", "file/audit.log", "ENOTDIR"],
    ["that is a pipe without a reader", "unread", "ENXIO"],
  ])("%s", async (_what, path, code) => {
    closeSync(openSync(join(folder, "file"), "w"));
    Bun.spawnSync(["mkfifo", join(folder, "unread")]);
    const failure = await TestNode.start({ AUDIT_FILE: join(folder, path) }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ConfigError);
    expect(failure).toMatchObject({ problems: [{ name: "AUDIT_FILE", problem: expect.stringContaining(code) }] });
  });
});
