import { afterEach, describe, expect, test } from "bun:test";
import type { Nodes } from "../../src/broker/broker.ts";
import { ProtocolError } from "../../src/protocol/codes.ts";
import { until } from "../auth/tokens.ts";

export interface StartedNode {
  readonly nodes: Nodes;
  /** In good order, so that the others know. */
  stop(): Promise<void>;
}

export interface NodesContract {
  readonly name: string;
  /** Another node among those that this test has started. */
  readonly start: (nodeId: string, setUp?: (nodes: Nodes) => void) => Promise<StartedNode>;
  /** Nodes that never have others. */
  readonly isAlone: boolean;
  /** After each test. */
  readonly release: () => Promise<void>;
}

/** Every promise of `Nodes` in `src/broker/broker.ts`, held against one implementation. */
export function nodesContract({ name, start, isAlone, release }: NodesContract): void {
  /** Nodes that all know of each other. */
  const among = async (count: number, setUp?: (nodes: Nodes) => void): Promise<StartedNode[]> => {
    const started: StartedNode[] = [];
    for (let n = 1; n <= count; n += 1) started.push(await start(`n${n}`, setUp));
    await until(() => started.every(({ nodes }) => nodes.alive.size === count));
    return started;
  };
  const echo = (nodes: Nodes): void => nodes.answer("echo", (body) => body);
  const only = <T>(items: readonly T[]): T => {
    const [item] = items;
    if (item === undefined) throw new Error("nothing is there");
    return item;
  };

  describe(`the nodes of ${name}`, () => {
    afterEach(() => release());

    test("a node is among those that live, under a name that is its own in this life", async () => {
      const { nodes } = await start("one.node_1-a");
      expect(nodes.self).toMatch(/^one\.node_1-a\/[0-9a-f]{16}$/);
      expect([...nodes.alive]).toEqual([nodes.self]);
      expect(nodes.isAlone).toBe(isAlone);
      const again = await start("one.node_1-a");
      expect(again.nodes.self).not.toBe(nodes.self);
    });

    test("a node without others gets no answer, and misses nobody", async () => {
      const { nodes } = await start("n1", echo);
      expect(await nodes.ask("echo", 1)).toEqual({ answers: [], missing: [] });
    });

    test("a question is answered by one handler", async () => {
      const { nodes } = await start("n1", echo);
      expect(() => nodes.answer("echo", () => null)).toThrow();
    });

    // What follows is about others.
    if (isAlone) return;

    test("everyone knows of everyone who came", async () => {
      const come: string[] = [];
      const first = await start("n1", (nodes) => nodes.onCome((node) => come.push(node)));
      expect(come).toEqual([first.nodes.self]);
      const second = await start("n2");
      expect([...second.nodes.alive].toSorted()).toEqual([first.nodes.self, second.nodes.self].toSorted());
      await until(() => come.length === 2);
      expect(come).toEqual([first.nodes.self, second.nodes.self]);
      expect(first.nodes.alive.has(second.nodes.self)).toBe(true);
    });

    test("a goodbye is heard at once, and once by each", async () => {
      const gone: string[] = [];
      const [first, second, third] = await among(3, (nodes) => nodes.onGone((node) => gone.push(node)));
      await third?.stop();
      await until(() => gone.length === 2);
      expect(gone).toEqual([third?.nodes.self ?? "", third?.nodes.self ?? ""]);
      expect(await first?.nodes.ask("echo", 1)).toEqual({ answers: [], missing: ["n2"] });
      expect(second?.nodes.alive.size).toBe(2);
    });

    test("a question is answered by every other node, and not by the one that asks", async () => {
      const [first, ...others] = await among(3, (nodes) => nodes.answer("who", async (body) => [nodes.self, body]));
      const body = { text: "é\u0000", list: [1, null] };
      const { answers, missing } = (await first?.nodes.ask("who", body)) ?? { answers: [], missing: ["nobody"] };
      expect(missing).toEqual([]);
      const byName = answers.toSorted((left, right) => (left.node < right.node ? -1 : 1));
      const expected = others.map(({ nodes }) => ({ node: nodes.self, body: [nodes.self, body] }));
      expect(byName).toEqual(expected.toSorted((left, right) => (left.node < right.node ? -1 : 1)));
    });

    test("a node is asked from the moment on at which it has started", async () => {
      const first = await start("n1", echo);
      for (let n = 2; n <= 6; n += 1) {
        await start(`n${n}`, echo);
        const { answers, missing } = await first.nodes.ask("echo", n);
        expect([answers.length, missing]).toEqual([n - 1, []]);
      }
    });

    test("who does not know the question, cannot answer it or never does is missing by its NODE_ID", async () => {
      const first = await start("n1");
      await start("answers", (nodes) => nodes.answer("q", () => 1));
      await start("ignorant");
      await start("fails", (nodes) => {
        nodes.answer("q", () => {
          throw new ProtocolError("NOT_FOUND");
        });
      });
      await start("rejects", (nodes) => nodes.answer("q", () => Promise.reject(new ProtocolError("UNAVAILABLE"))));
      await start("hangs", (nodes) => nodes.answer("q", () => new Promise(() => {})));
      await start("unsayable", (nodes) => nodes.answer("q", () => 1n));
      await start("verbose", (nodes) => nodes.answer("q", () => "x".repeat(1_048_576)));
      const { answers, missing } = await first.nodes.ask("q", null);
      expect(only(answers).body).toBe(1);
      expect(missing).toEqual(["fails", "hangs", "ignorant", "rejects", "unsayable", "verbose"]);
    });

    test("questions at once are told apart", async () => {
      const [first, second] = await among(2, echo);
      const both = [first, second].flatMap((node) =>
        Array.from({ length: 100 }, async (_, n) => only((await node?.nodes.ask("echo", n))?.answers ?? []).body === n),
      );
      expect((await Promise.all(both)).every(Boolean)).toBe(true);
    });

    test("a question too many is not asked: everyone is missing", async () => {
      const [first] = await among(2, (nodes) => nodes.answer("never", () => new Promise(() => {})));
      const open = Array.from({ length: 1_000 }, () => first?.nodes.ask("never", 0));
      expect(first?.nodes.ask("never", 0)).toEqual({ answers: [], missing: ["n2"] });
      for (const { missing } of await Promise.all(open.map(async (asked) => (await asked) ?? { missing: [] }))) {
        expect(missing).toEqual(["n2"]);
      }
    });
  });
}
