import * as v from "valibot";
import type { Nodes } from "../broker/broker.ts";
import { ProtocolError } from "../protocol/codes.ts";

/** A question that nodes ask each other. What comes from another node is checked like anything else from outside. */
export interface Question<Q, A> {
  readonly name: string;
  readonly asked: v.GenericSchema<unknown, Q>;
  readonly answered: v.GenericSchema<unknown, A>;
}

/** What the other nodes said. */
export interface Heard<A> {
  readonly answers: readonly A[];
  /** The NODE_IDs of those that said nothing, or nothing that makes sense. */
  readonly missing: readonly string[];
}

/** Whether an answer is about all nodes. */
export interface Gathered {
  /** The NODE_IDs of those that did not answer; absent when there are none. */
  readonly nodesMissing?: readonly string[];
}

/** Asks all other nodes; at once where there can be none. Never throws or rejects. */
export function ask<Q, A>(nodes: Nodes, question: Question<Q, A>, body: Q): Heard<A> | Promise<Heard<A>> {
  const asked = nodes.ask(question.name, body);
  return asked instanceof Promise ? asked.then((answers) => checked(question, answers)) : checked(question, asked);
}

function checked<Q, A>(
  { answered }: Question<Q, A>,
  { answers, missing }: Awaited<ReturnType<Nodes["ask"]>>,
): Heard<A> {
  const good: A[] = [];
  const bad: string[] = [];
  for (const { node, body } of answers) {
    const parsed = v.safeParse(answered, body, { abortEarly: true });
    if (parsed.success) good.push(parsed.output);
    else bad.push(node.slice(0, node.indexOf("/")));
  }
  return { answers: good, missing: bad.length === 0 ? missing : [...new Set([...missing, ...bad])].toSorted() };
}

/** A question that makes no sense is refused with BAD_REQUEST. */
export function answer<Q, A>(nodes: Nodes, { name, asked }: Question<Q, A>, handle: (body: Q) => A | Promise<A>): void {
  nodes.answer(name, (body) => {
    const parsed = v.safeParse(asked, body, { abortEarly: true });
    if (!parsed.success) throw new ProtocolError("BAD_REQUEST");
    return handle(parsed.output);
  });
}

/** What is known here and what the others said, as one answer; at once where nothing has to be waited for. */
export function gather<T, A, R extends object>(
  local: T | Promise<T>,
  heard: Heard<A> | Promise<Heard<A>>,
  add: (local: T, answers: readonly A[]) => R,
): (R & Gathered) | Promise<R & Gathered> {
  if (local instanceof Promise || heard instanceof Promise) {
    return Promise.all([local, heard]).then(([own, others]) => whole(own, others, add));
  }
  return whole(local, heard, add);
}

function whole<T, A, R extends object>(
  local: T,
  { answers, missing }: Heard<A>,
  add: (local: T, answers: readonly A[]) => R,
): R & Gathered {
  const known = add(local, answers);
  return missing.length === 0 ? known : { ...known, nodesMissing: missing };
}

export function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0);
}
