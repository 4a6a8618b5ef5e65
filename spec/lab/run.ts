/** One run of the lab: it cleans what killed runs left, builds topologies, and leaves nothing when it is closed. */
import { setTimeout as delay } from 'node:timers/promises';
import { killPrograms, makeTemporaryDirectory, removeRun, runName, sweep, temporaryDirectory } from './namespace.js';
import { detectWire, type PathConfig, type Wire } from './path.js';
import type { Plan } from './plan.js';
import { Topology } from './topology.js';

/** Some programs start others when they end, such as the next trial. */
const KILL_AGAIN_MS = 50;

export class Run {
  /** The dead runs that it cleaned after. */
  readonly swept: readonly string[];
  readonly wire: Wire;
  readonly #name: string;
  readonly #inUse = new Set<Promise<unknown>>();
  #topologies = 0;
  #closing: Promise<void> | undefined;

  private constructor(name: string, wire: Wire, swept: readonly string[]) {
    this.#name = name;
    this.wire = wire;
    this.swept = swept;
  }

  static async open(): Promise<Run> {
    const name = runName(process.pid);
    const swept = await sweep();
    makeTemporaryDirectory(name);
    return new Run(name, await detectWire(`${name}-netem`), swept);
  }

  /** For files that are to go with the run. */
  get directory(): string {
    return temporaryDirectory(this.#name);
  }

  get closed(): boolean {
    return this.#closing !== undefined;
  }

  assertOpen(): void {
    if (this.closed) throw new Error('This run of the lab is closed');
  }

  /** Builds a topology, lends it, and takes it down again, also when its use fails. */
  async with<T>(plan: Plan, path: PathConfig, use: (topology: Topology) => Promise<T>): Promise<T> {
    this.assertOpen();
    const using = this.#lend(plan, path, use);
    this.#inUse.add(using);
    try {
      return await using;
    } finally {
      this.#inUse.delete(using);
    }
  }

  /** Takes everything down, under the feet of those who still use it: their programs end, so they fail and are done too. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    while (this.#inUse.size > 0) {
      killPrograms(`${this.#name}-`);
      await Promise.race([Promise.allSettled(this.#inUse), delay(KILL_AGAIN_MS)]);
    }
    await removeRun(this.#name);
  }

  async #lend<T>(plan: Plan, path: PathConfig, use: (topology: Topology) => Promise<T>): Promise<T> {
    const prefix = `${this.#name}-${this.#topologies++}-`;
    const topology = await Topology.build(plan, path, { prefix, directory: this.directory, wire: this.wire });
    try {
      this.assertOpen();
      return await use(topology);
    } finally {
      await topology.close();
    }
  }
}
