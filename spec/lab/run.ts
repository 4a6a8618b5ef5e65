/** One run of the lab: it cleans what killed runs left, builds topologies, and leaves nothing when it is closed. */
import { mkdirSync } from 'node:fs';
import { removeRun, runName, sweep, temporaryDirectory } from './namespace.js';
import { detectWire, type PathConfig, type Wire } from './path.js';
import type { Plan } from './plan.js';
import { Topology } from './topology.js';

export class Run {
  /** The dead runs that it cleaned after. */
  readonly swept: readonly string[];
  readonly wire: Wire;
  readonly #name: string;
  readonly #inUse = new Set<Promise<unknown>>();
  #topologies = 0;
  #closed = false;

  private constructor(name: string, wire: Wire, swept: readonly string[]) {
    this.#name = name;
    this.wire = wire;
    this.swept = swept;
  }

  static async open(): Promise<Run> {
    const name = runName(process.pid);
    const swept = await sweep();
    mkdirSync(temporaryDirectory(name), { recursive: true });
    return new Run(name, await detectWire(`${name}-netem`), swept);
  }

  /** For files that are to go with the run. */
  get directory(): string {
    return temporaryDirectory(this.#name);
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Builds a topology, lends it, and takes it down again, also when its use fails. */
  async with<T>(plan: Plan, path: PathConfig, use: (topology: Topology) => Promise<T>): Promise<T> {
    if (this.#closed) throw new Error('This run of the lab is closed');
    const using = this.#lend(plan, path, use);
    this.#inUse.add(using);
    try {
      return await using;
    } finally {
      this.#inUse.delete(using);
    }
  }

  /** Takes everything down, under the feet of those who still use it: their programs end, so they fail and are done too. */
  async close(): Promise<void> {
    this.#closed = true;
    const inUse = [...this.#inUse];
    await removeRun(this.#name);
    await Promise.allSettled(inUse);
    await removeRun(this.#name); // what was being built meanwhile
  }

  async #lend<T>(plan: Plan, path: PathConfig, use: (topology: Topology) => Promise<T>): Promise<T> {
    const prefix = `${this.#name}-${this.#topologies++}-`;
    const topology = await Topology.build(plan, path, { prefix, directory: this.directory, wire: this.wire });
    try {
      return await use(topology);
    } finally {
      await topology.close();
    }
  }
}
