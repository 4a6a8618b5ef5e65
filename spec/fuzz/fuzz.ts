import { setImmediate as turn } from 'node:timers/promises';
import { Chance } from './chance.js';
import { mutated } from './mutate.js';
import { WrongResult, type Target } from './target.js';

/** How long to go on, and what is too much. */
export interface FuzzConfig {
  readonly targets: readonly Target[];
  readonly seed: number;
  /** When to stop: after so many inputs in all, or so many milliseconds. */
  readonly inputs: number;
  readonly ms: number;
  /** One input may take so much CPU time, in milliseconds. */
  readonly stallMs: number;
  /** Memory may grow by so much once all is there that is kept for good, in bytes. */
  readonly growthBytes: number;
  /** Between two looks at the memory and at whether honest clients are served, in milliseconds. */
  readonly lookMs: number;
  /** Told now and then. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

export interface Progress {
  readonly inputs: number;
  readonly elapsedMs: number;
  readonly heapBytes: number;
}

/** Why a run failed: what went wrong, in which target, and the input that did it, or those that were under way. */
export interface Failure {
  readonly kind: 'error' | 'stall' | 'growth' | 'wrong result';
  readonly target: string;
  readonly message: string;
  readonly inputs: readonly Buffer[];
}

export interface Outcome {
  readonly inputs: ReadonlyMap<string, number>;
  readonly failure: Failure | undefined;
}

/** A target has its turn for about so long, in milliseconds. */
const TURN_MS = 25;

/** Memory is compared with what there was after so many looks: by then all that is kept for good is there. */
const WARM_LOOKS = 3;

/** Inputs of a target that are remembered, for what comes up later. */
const REMEMBERED = 64;

/**
 * Gives mutated valid traffic to each target in its turn until the time is over or something is wrong: an error that nobody caught, an
 * unhandled rejection, an input that takes too long, memory that grows, or a wrong result. The same seed gives the same inputs.
 */
export async function fuzz(config: FuzzConfig): Promise<Outcome> {
  const begun = performance.now();
  const counts = new Map(config.targets.map(({ name }) => [name, 0]));
  const recent = new Map<string, Buffer[]>(config.targets.map(({ name }) => [name, []]));
  const failures: Failure[] = [];
  let current = config.targets[0]?.name ?? '';
  const fail = (kind: Failure['kind'], target: string, message: string, inputs = recent.get(target) ?? []) => {
    failures.push({ kind, target, message, inputs });
  };
  const onUncaught = (error: unknown) => {
    fail('error', current, describe(error));
  };
  process.on('uncaughtException', onUncaught).on('unhandledRejection', onUncaught);
  const memory = memoryWatch(config.growthBytes);
  const chance = new Chance(config.seed);
  let total = 0;
  let lookedAt = begun;

  const one = async (target: Target): Promise<void> => {
    const input = mutated(target.seeds, chance);
    const remembered = recent.get(target.name) ?? [];
    if (remembered.push(input) > REMEMBERED) remembered.shift();
    const sinceMs = performance.now();
    const before = process.cpuUsage();
    try {
      const result = target.run(input, chance);
      if (result instanceof Promise) await result;
      else if (performance.now() - sinceMs > config.stallMs && isStalled(target, input, before, config)) {
        fail('stall', target.name, `one input took more than ${config.stallMs} ms of CPU time, twice`, [input]);
      }
    } catch (error) {
      fail(error instanceof WrongResult ? 'wrong result' : 'error', target.name, describe(error), [input]);
    }
    total++;
    counts.set(target.name, (counts.get(target.name) ?? 0) + 1);
  };

  const isOver = () => failures.length > 0 || total >= config.inputs || performance.now() - begun >= config.ms;

  while (!isOver()) {
    for (const target of config.targets) {
      if (isOver()) break;
      current = target.name;
      const until = performance.now() + TURN_MS;
      while (performance.now() < until && !isOver()) {
        const { concurrent = 1 } = target;
        if (concurrent === 1) await one(target);
        else await Promise.all(Array.from({ length: concurrent }, () => one(target)));
      }
      await turn();
    }
    if (performance.now() - lookedAt < config.lookMs) continue;
    lookedAt = performance.now();
    for (const target of config.targets) {
      try {
        await target.check?.();
      } catch (error) {
        fail('wrong result', target.name, describe(error));
      }
    }
    const grown = memory.look();
    if (grown !== undefined) fail('growth', 'all', grown, []);
    config.onProgress?.({
      inputs: total,
      elapsedMs: performance.now() - begun,
      heapBytes: process.memoryUsage().heapUsed,
    });
  }
  for (const { close } of config.targets) await close?.();
  process.off('uncaughtException', onUncaught).off('unhandledRejection', onUncaught);
  return { inputs: counts, failure: failures[0] };
}

/** Whether it was the input that took so long, and not the machine, or a garbage collection: it does so again. */
function isStalled({ run }: Target, input: Buffer, before: NodeJS.CpuUsage, { stallMs, seed }: FuzzConfig): boolean {
  const cpuMs = (since: NodeJS.CpuUsage) => process.cpuUsage(since).user / 1000;
  if (cpuMs(before) < stallMs) return false;
  const again = process.cpuUsage();
  try {
    run(input, new Chance(seed));
  } catch {
    // It is told by the first run.
  }
  return cpuMs(again) >= stallMs;
}

/** Looks at what is kept in memory, after a garbage collection where the process was started with `--expose-gc`. */
function memoryWatch(growthBytes: number): { readonly look: () => string | undefined } {
  const seen: number[] = [];
  return {
    look: () => {
      global.gc?.();
      const { heapUsed, external, arrayBuffers } = process.memoryUsage();
      seen.push(heapUsed + external + arrayBuffers);
      const [base] = seen.slice(WARM_LOOKS - 1);
      const latest = seen.slice(-WARM_LOOKS);
      if (base === undefined || seen.length < 2 * WARM_LOOKS || Math.min(...latest) < base + growthBytes)
        return undefined;
      const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(0);
      return `memory grew from ${mib(base)} to ${mib(Math.min(...latest))} MiB`;
    },
  };
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
