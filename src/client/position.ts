/** Where a topic stands, or how far a client has come in it. */
export interface Position {
  /** Rises by one with every message of an epoch, from 1. */
  readonly offset: number;
  /** Changes when the numbering starts again. */
  readonly epoch: string;
}
