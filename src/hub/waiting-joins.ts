/** A join that may be withdrawn while it waits: then it makes nobody a member. */
export interface Withdrawable {
  readonly topic: string;
  isWithdrawn?: boolean;
}

/** A connection, as far as its joins are concerned. */
interface Joining {
  /** One by its own frame, and one for each order of the backend that is being carried out; null while there are none. */
  joining: Set<Withdrawable> | null;
}

/** Runs the join, which is known as waiting for as long as its promise. */
export function whileWaiting(
  connection: Joining,
  join: Withdrawable,
  run: () => void | Promise<void>,
): void | Promise<void> {
  const joined = run();
  if (!(joined instanceof Promise)) return;
  (connection.joining ??= new Set()).add(join);
  return joined.finally(() => {
    connection.joining?.delete(join);
    if (connection.joining?.size === 0) connection.joining = null;
  });
}

/** Whoever is taken out of a topic is not put into it by what was asked before. */
export function withdrawJoins({ joining }: Joining, topic: string): void {
  for (const join of joining ?? []) if (join.topic === topic) join.isWithdrawn = true;
}

export function isJoining({ joining }: Joining, topic: string): boolean {
  for (const join of joining ?? []) if (join.topic === topic && join.isWithdrawn !== true) return true;
  return false;
}
