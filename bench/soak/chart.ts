import type { Sample } from "./sample.ts";

/** One line of the chart, drawn against its own greatest value. */
interface Line {
  readonly label: string;
  readonly unit: string;
  readonly read: (sample: Sample) => number;
}

const MIB = 1_048_576;

const LINES: readonly Line[] = [
  { label: "resident memory", unit: "MiB", read: ({ residentBytes }) => residentBytes / MIB },
  { label: "heap", unit: "MiB", read: ({ heapBytes }) => heapBytes / MIB },
  { label: "open connections", unit: "", read: ({ connections }) => connections },
  { label: "file descriptors", unit: "", read: ({ descriptors }) => descriptors },
  { label: "timers", unit: "", read: ({ timers }) => timers },
  { label: "topics with members", unit: "", read: ({ topics }) => topics },
  { label: "topics with a position", unit: "", read: ({ entries }) => entries["topic_positions"] ?? 0 },
  { label: "message ids", unit: "", read: ({ entries }) => entries["message_ids"] ?? 0 },
  { label: "verified tokens", unit: "", read: ({ entries }) => entries["verified_tokens"] ?? 0 },
];

const WIDTH = 900;
const ROW_HEIGHT = 90;
const PLOT = { left: 170, width: 640, height: 62 };

/** The samples as one SVG: a strip for each line over the same time, the rest before it at the left and behind it at the right end. */
export function chartOf(samples: readonly Sample[], title: string): string {
  const endMs = Math.max(1, ...samples.map(({ atMs }) => atMs));
  const rows = LINES.map((line, index) => stripOf(line, samples, endMs, 40 + index * ROW_HEIGHT));
  const height = 40 + LINES.length * ROW_HEIGHT + 20;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    `<text x="10" y="22" font-size="15">${title}</text>`,
    ...rows,
    `<text x="${PLOT.left}" y="${height - 8}">0 min</text>`,
    `<text x="${PLOT.left + PLOT.width}" y="${height - 8}" text-anchor="end">${(endMs / 60_000).toFixed(1)} min</text>`,
    "</svg>",
    "",
  ].join("\n");
}

function stripOf({ label, unit, read }: Line, samples: readonly Sample[], endMs: number, top: number): string {
  const values = samples.map(read);
  const most = Math.max(1, ...values);
  const points = samples.map((sample) => {
    const x = PLOT.left + (PLOT.width * sample.atMs) / endMs;
    const y = top + PLOT.height * (1 - read(sample) / most);
    return `${x.toFixed(1)},${y.toFixed(1)}`;
  });
  const shown = (value: number | undefined): string => `${(value ?? 0).toFixed(unit === "" ? 0 : 1)} ${unit}`.trim();
  const bottom = top + PLOT.height;
  return [
    `<text x="10" y="${top + 14}">${label}</text>`,
    `<text x="10" y="${top + 30}" fill="#666">at most ${shown(most)}</text>`,
    `<line x1="${PLOT.left}" y1="${bottom}" x2="${PLOT.left + PLOT.width}" y2="${bottom}" stroke="#ccc"/>`,
    `<polyline fill="none" stroke="#1668c1" stroke-width="1.2" points="${points.join(" ")}"/>`,
    `<text x="${PLOT.left - 6}" y="${bottom}" text-anchor="end">${shown(values[0])}</text>`,
    `<text x="${PLOT.left + PLOT.width + 6}" y="${bottom}">${shown(values.at(-1))}</text>`,
  ].join("\n");
}
