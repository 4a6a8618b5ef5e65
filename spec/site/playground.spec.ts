import { NAT_KINDS, type NatKind } from '../../docs/site/client/playground/nat.js';
import { simulate, type Run } from '../../docs/site/client/playground/simulate.js';
import { synsBetween } from '../../lib/nat/punchable.js';

const SEEDS = [1, 2, 3];

const between = (one: NatKind, other: NatKind, seed: number, others: readonly [number, number] = [0, 0]): Run =>
  simulate(
    [
      { kind: one, others: others[0] },
      { kind: other, others: others[1] },
    ],
    seed,
  );

describe('The playground', () => {
  it('classifies each of its NATs as what it is', () => {
    const types = NAT_KINDS.map((kind) => between(kind, 'preserving', 1).sides[0].classification.natType);
    expect(types).toEqual([
      { type: 'open' },
      { type: 'preserving' },
      { type: 'preserving' },
      { type: 'reuse' },
      { type: 'delta', delta: 1 },
      { type: 'delta', delta: 3 },
      { type: 'random' },
    ]);
  });

  it('opens between the NATs that the library punches, and between no others', () => {
    for (const one of NAT_KINDS) {
      for (const other of NAT_KINDS) {
        for (const seed of SEEDS) {
          const { sides, outcome } = between(one, other, seed);
          const canBe = synsBetween(sides[0].own.natType, sides[1].own.natType) !== 'never';
          expect(outcome.type)
            .withContext(`${one} and ${other}, ${seed}`)
            .toBe(canBe ? 'open' : 'impossible');
        }
      }
    }
  });

  it('misses where others have taken the ports that were predicted', () => {
    // Both count: each side bears four of others' mappings; towards a known port, seven.
    expect([3, 4, 5].map((count) => between('delta1', 'delta1', 1, [count, 0]).outcome.type)).toEqual([
      'open',
      'open',
      'missed',
    ]);
    expect([7, 8].map((count) => between('delta1', 'preserving', 1, [count, 0]).outcome.type)).toEqual([
      'open',
      'missed',
    ]);
    expect(between('random', 'preserving', 1, [12, 12]).outcome.type).toBe('open');
  });

  it('shows the same again from the same seed', () => {
    expect(between('random', 'preserving', 5)).toEqual(between('random', 'preserving', 5));
    expect(between('random', 'preserving', 5).flights).not.toEqual(between('random', 'preserving', 6).flights);
  });
});
