import { monitorEventLoopDelay } from 'node:perf_hooks';

/** How often the event loop's delay is sampled, in milliseconds: Node's default. */
const RESOLUTION_MS = 10;

/** Measures by how much the event loop runs late. */
export class EventLoopLag {
  readonly #histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });

  constructor() {
    this.#histogram.enable();
  }

  /** The longest delay since this was asked last, in milliseconds. */
  take(): number {
    const { max, count } = this.#histogram;
    this.#histogram.reset();
    // A sample contains the pause between two of them.
    return count === 0 ? 0 : Math.max(0, max / 1e6 - RESOLUTION_MS);
  }

  close(): void {
    this.#histogram.disable();
  }
}
