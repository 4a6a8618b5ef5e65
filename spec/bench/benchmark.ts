import type { Role, Start } from './actors.js';
import type { Ratio } from './ratio.js';

/** One benchmark: what its child processes do, and how the parent measures with them. */
export interface Benchmark {
  readonly name: string;
  /** How it is measured, in one sentence. */
  readonly about: string;
  /** What its child processes can be. */
  readonly roles: Readonly<Record<string, Role>>;
  /** Measures with child processes that `start` starts; they are ended afterwards. Each row comes as soon as it is measured. */
  readonly measure: (start: Start) => AsyncIterable<Ratio>;
}
