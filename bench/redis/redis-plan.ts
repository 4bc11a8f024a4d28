/** How long to measure over Redis. */
export interface RedisPlan {
  readonly rounds: number;
  readonly warmupMs: number;
  readonly measureMs: number;
  /** With how many nodes the CPU per message is compared. */
  readonly nodes: readonly number[];
  /** Messages, and joins, over which commands are counted. */
  readonly counted: number;
  /** Users on one node between whose numbers memory is compared: a multiple of 100 each. */
  readonly memoryFrom: number;
  readonly memoryTo: number;
}

export const FULL_REDIS: RedisPlan = {
  rounds: 3,
  warmupMs: 1_500,
  measureMs: 3_000,
  nodes: [1, 2, 3, 4],
  counted: 1_000,
  memoryFrom: 2_000,
  memoryTo: 18_000,
};
export const QUICK_REDIS: RedisPlan = {
  rounds: 1,
  warmupMs: 300,
  measureMs: 500,
  nodes: [1, 2],
  counted: 200,
  memoryFrom: 500,
  memoryTo: 2_000,
};
