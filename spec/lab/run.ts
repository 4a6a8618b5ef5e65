/** One run of the lab: it cleans what killed runs left, builds topologies, and leaves nothing when it is closed. */
import { mkdirSync } from 'node:fs';
import { removeRun, runName, sweep, temporaryDirectory } from './namespace.js';
import { detectWire, type PathConfig, type Wire } from './path.js';
import type { Plan } from './plan.js';
import { Topology } from './topology.js';

export class Run {
  readonly wire: Wire;
  /** The dead runs that it cleaned after. */
  readonly swept: readonly string[];
  readonly #name: string;
  #topologies = 0;

  private constructor(name: string, wire: Wire, swept: readonly string[]) {
    this.#name = name;
    this.wire = wire;
    this.swept = swept;
  }

  static async open(): Promise<Run> {
    const name = runName(process.pid);
    const swept = await sweep();
    mkdirSync(temporaryDirectory(name), { recursive: true });
    return new Run(name, await detectWire(`${name}-probe`), swept);
  }

  /** Builds it, lends it, and takes it down again, also when its use fails. */
  async with<T>(plan: Plan, path: PathConfig, use: (topology: Topology) => Promise<T>): Promise<T> {
    const prefix = `${this.#name}-${this.#topologies++}-`;
    const topology = await Topology.build(plan, path, {
      prefix,
      directory: temporaryDirectory(this.#name),
      wire: this.wire,
    });
    try {
      return await use(topology);
    } finally {
      await topology.close();
    }
  }

  async close(): Promise<void> {
    await removeRun(this.#name);
  }
}
