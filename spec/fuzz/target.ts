import { inspect } from 'node:util';
import type { Chance } from './chance.js';

/** Something that takes what strangers send. */
export interface Target {
  readonly name: string;
  /** The files that it is to reach, by the beginnings of their paths: what is covered of them is told. */
  readonly reaches: readonly string[];
  /** Valid traffic, which inputs are made from. */
  readonly seeds: readonly Buffer[];
  /** Takes one input. Throws a {@link WrongResult} where the result is wrong; any other error is one that nobody caught. */
  readonly run: (input: Buffer, chance: Chance) => unknown;
  /** How many inputs are under way at once, where running one takes time. Default: one after the other. */
  readonly concurrent?: number | undefined;
  /** Looks whether all is well, now and then: an honest client is served. */
  readonly check?: (() => Promise<void>) | undefined;
  readonly close?: (() => unknown) | undefined;
}

/** A result that must not be: what was expected, and what came. */
export class WrongResult extends Error {
  override readonly name = 'WrongResult';
}

/** @throws WrongResult when it is not so. */
export function expectThat(isSo: boolean, what: string, ...seen: readonly unknown[]): void {
  if (!isSo) throw new WrongResult(`${what}: ${seen.map((each) => inspect(each).slice(0, 500)).join(', ')}`);
}

/** Does something that may fail with one of these errors, and with nothing else. Returns nothing where it did. */
export function orFails<T>(
  errors: readonly (abstract new (...args: never[]) => Error)[],
  action: () => T,
): T | undefined {
  try {
    return action();
  } catch (error) {
    if (errors.some((type) => error instanceof type)) return undefined;
    throw error;
  }
}

/** Cuts bytes into chunks, as a network may. */
export function chunksOf(bytes: Buffer, chance: Chance): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = 1 + chance.below(chance.of([4, 64, 4_096] as const));
    chunks.push(bytes.subarray(at, at + length));
    at += length;
  }
  return chunks;
}
