/** What `/metrics` says: name with labels → value. */
export type Samples = ReadonlyMap<string, number>;

export function samplesOf(text: string): Samples {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ") + 1))]),
  );
}

/** As an operator adds up what several nodes count. */
export function sumOf(nodes: readonly Samples[]): Samples {
  const sums = new Map<string, number>();
  for (const samples of nodes) for (const [name, value] of samples) sums.set(name, (sums.get(name) ?? 0) + value);
  return sums;
}
