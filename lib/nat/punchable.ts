import type { NatType } from '../unl/types.js';

/** Whether a NAT's mapping towards a new destination is known, countable from the last one, or neither. Pure. */
export function predictability({ type }: NatType): 'known' | 'sequential' | 'random' {
  if (type === 'delta') return 'sequential';
  return type === 'random' ? 'random' : 'known';
}

/**
 * How many SYNs it takes to open TCP simultaneously between two NATs: few where the ports of both can be predicted; many where one gives
 * random ports and those of the other are known for certain; else it cannot be done. Pure.
 *
 * @example
 * synsBetween({ type: 'preserving' }, { type: 'delta', delta: 1 }); // 'few'
 */
export function synsBetween(one: NatType, other: NatType): 'few' | 'many' | 'never' {
  const sides = [predictability(one), predictability(other)];
  if (!sides.includes('random')) return 'few';
  return sides.includes('known') ? 'many' : 'never';
}
