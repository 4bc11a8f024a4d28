import { afterEach, beforeEach, expect } from "bun:test";
import { AUDIT_EVENTS } from "../../src/observe/audit.ts";
import { APP, type AuditRecord, AuditStage, type Step } from "../support/audit-stage.ts";
import { ENDINGS } from "../support/audit-steps/endings.ts";
import { HANDSHAKES } from "../support/audit-steps/handshakes.ts";
import { HTTP } from "../support/audit-steps/http.ts";
import { ORDERS } from "../support/audit-steps/orders.ts";
import { TOPICS } from "../support/audit-steps/topics.ts";
import { oneNode } from "../support/one-node.ts";

/** One session with everything in it that is worth a record, and the whole audit log of it: every record, every field, in order, once. */

const STEPS: readonly Step[] = [...HANDSHAKES, ...TOPICS, ...HTTP, ...ORDERS, ...ENDINGS];

/** Recorded by what no script of a second can do: test/hub/hub.test.ts and test/hub/recovery.test.ts. */
const ELSEWHERE: readonly string[] = ["slow.consumer"];

let stage: AuditStage;

beforeEach(async () => {
  stage = await AuditStage.start({ ALLOWED_ORIGINS: APP, MAX_CONNECTIONS_PER_USER: "2" });
});
afterEach(() => stage.node.stop());

oneNode("lines")("the audit log of a session is exactly what happened in it", async () => {
  const expected: { readonly step: string; readonly record: AuditRecord }[] = [];
  for (const [step, act] of STEPS) {
    stage.next();
    for (const record of await act(stage)) expected.push({ step, record });
  }
  const written = await stage.node.auditAfterStop();
  for (const [index, { step, record }] of expected.entries())
    expect({ step, record: written[index] }).toEqual({ step, record });
  expect(written.slice(expected.length)).toEqual([]);

  const events = new Set(written.map(({ event }) => event));
  expect(Object.keys(AUDIT_EVENTS).filter((event) => !events.has(event) && !ELSEWHERE.includes(event))).toEqual([]);
});
