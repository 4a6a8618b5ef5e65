import fc from 'fast-check';
import { classify, type PortSample } from '../../lib/nat/classify.js';
import type { NatType } from '../../lib/unl/types.js';
import { ports } from '../support/locators.js';
import { RECORDINGS, samplesOf } from './recorded.js';

const OWN = '192.168.1.2';
const EXTERNAL = '198.51.100.7';
const SERVERS = [
  { address: '192.0.2.1', port: 8000 },
  { address: '192.0.2.1', port: 8001 },
  { address: '192.0.2.2', port: 8000 },
] as const;

const ENOUGH = 0.8;

/** What a NAT does with the `i`th connection, from a local port. */
type Nat = (localPort: number, i: number) => number;

/** Five consecutive local ports, each seen by every server. */
function samplesThrough(nat: Nat, { addresses = [EXTERNAL], base = 40_000, count = 5 } = {}): PortSample[] {
  return Array.from({ length: count }, (_, i) => base + i)
    .flatMap((localPort) => SERVERS.map((server) => ({ localPort, server })))
    .map((sample, i) => ({
      ...sample,
      observed: { address: addresses[i % addresses.length] ?? EXTERNAL, port: nat(sample.localPort, i) },
    }));
}

function natTypeOf(samples: readonly PortSample[]): NatType {
  return classify(samples, [OWN]).natType;
}

const toPort = (port: number): number => ((port % 65_536) + 65_536) % 65_536;
const delta =
  (step: number, first = 20_000): Nat =>
  (_, i) =>
    toPort(first + i * step);
/** What a random NAT did once. */
const DRAWN = [64197, 3108, 64092, 17186, 55270, 53420, 46878, 25722, 4000, 21612, 48052, 55666, 52711, 27924, 30773];
const random: Nat = (_, i) => DRAWN[i % DRAWN.length] ?? 0;

const steps = fc.integer({ min: -2000, max: 2000 }).filter((step) => step !== 0);

describe('the type of a NAT', () => {
  for (const recording of RECORDINGS) {
    it(`is as the lab built it: ${recording.network} is ${JSON.stringify(recording.is)}`, () => {
      const { natType, confidence, addresses } = classify(samplesOf(recording), [recording.own]);
      expect(natType).toEqual(recording.is);
      expect(confidence).toBeGreaterThanOrEqual(ENOUGH);
      expect(addresses).toEqual([recording.address]);
    });
  }

  it('is unknown without samples', () => {
    expect(classify([], [OWN])).toEqual({ natType: { type: 'unknown' }, confidence: 0, addresses: [] });
  });

  it('is open only where the machine itself has the address that is seen', () => {
    const samples = samplesThrough((localPort) => localPort);
    expect(classify(samples, [EXTERNAL]).natType).toEqual({ type: 'open' });
    expect(classify(samples, [OWN]).natType).toEqual({ type: 'preserving' });
  });

  it('is preserving by a single sample, for that a port is kept by chance is unlikely', () => {
    expect(natTypeOf(samplesThrough((localPort) => localPort).slice(0, 1))).toEqual({ type: 'preserving' });
  });

  it('is unknown rather than guessed where too little was seen', () => {
    expect(natTypeOf(samplesThrough(delta(1)).slice(0, 2))).toEqual({ type: 'unknown' });
    expect(natTypeOf(samplesThrough(random).slice(0, 2))).toEqual({ type: 'unknown' });
    expect(natTypeOf(samplesThrough(random).slice(0, 3))).toEqual({ type: 'random' });
    const oneServer = samplesThrough(random).filter(({ server }) => server === SERVERS[0]);
    expect(natTypeOf(oneServer)).withContext('may be the same for every destination').toEqual({ type: 'unknown' });
  });

  it('is reuse when a port changes but is the same for all, also where new ports follow each other', () => {
    expect(natTypeOf(samplesThrough((localPort) => (localPort * 7919) % 60_000))).toEqual({ type: 'reuse' });
    expect(natTypeOf(samplesThrough((localPort) => localPort + 100))).toEqual({ type: 'reuse' });
  });

  it('is reuse for a second host behind a router, whose ports are taken but stay the same for every destination', () => {
    const kept = samplesThrough((localPort) => (localPort < 40_002 ? (localPort * 7919) % 60_000 : localPort));
    expect(natTypeOf(kept)).toEqual({ type: 'reuse' });
  });

  it('is preserving when one port in five is taken', () => {
    const { natType, confidence } = classify(
      samplesThrough((localPort) => (localPort === 40_003 ? 1234 : localPort)),
      [OWN],
    );
    expect(natType).toEqual({ type: 'preserving' });
    expect(confidence).toBe(0.8);
  });

  it('is delta for any constant step, also past the end of the ports', () => {
    fc.assert(
      fc.property(steps, ports, (step, first) => {
        const { natType, confidence } = classify(samplesThrough(delta(step, first)), [OWN]);
        throwUnless(natType).toEqual({ type: 'delta', delta: step });
        throwUnless(confidence).toBe(1);
      }),
    );
  });

  it('is delta for a NAT that begins its range anew', () => {
    for (const step of [1, 3, -2]) {
      for (const turn of [1, 7, 13]) {
        const nat: Nat = (_, i) => 30_000 + step * (i - turn) + (i < turn ? 0 : Math.sign(step) * -4096);
        expect(natTypeOf(samplesThrough(nat)))
          .withContext(`${step} ${turn}`)
          .toEqual({ type: 'delta', delta: step });
      }
    }
  });

  it('is delta when others make mappings meanwhile', () => {
    const others = fc.array(fc.boolean(), { minLength: 15, maxLength: 15 });
    fc.assert(
      fc.property(steps, ports, others, (step, first, taken) => {
        fc.pre(taken.filter(Boolean).length <= 3);
        const made = (i: number) => i + taken.slice(0, i).filter(Boolean).length;
        throwUnless(natTypeOf(samplesThrough((_, i) => toPort(first + step * made(i))))).toEqual({
          type: 'delta',
          delta: step,
        });
      }),
    );
  });

  it('is told from several external addresses as from one', () => {
    const addresses = [EXTERNAL, '198.51.100.8'];
    expect(natTypeOf(samplesThrough((localPort) => localPort, { addresses }))).toEqual({ type: 'preserving' });
    const { natType, addresses: seen } = classify(samplesThrough(random, { addresses }), [OWN]);
    expect([natType, seen]).toEqual([{ type: 'random' }, addresses]);
    const counterEach = samplesThrough((_, i) => (i % 2 === 0 ? 20_000 : 50_000) + Math.floor(i / 2), { addresses });
    expect(natTypeOf(counterEach)).toEqual({ type: 'delta', delta: 1 });
  });

  it('is unchanged when one sample in five is wrong', () => {
    const kinds: readonly (readonly [NatType, Nat])[] = [
      [{ type: 'preserving' }, (localPort) => localPort],
      [{ type: 'reuse' }, (localPort) => (localPort * 7919) % 60_000],
      [{ type: 'delta', delta: 1 }, delta(1)],
      [{ type: 'delta', delta: -6 }, delta(-6)],
      [{ type: 'random' }, random],
    ];
    const lie = fc.record({ at: fc.nat(14), port: ports });
    fc.assert(
      fc.property(fc.constantFrom(...kinds), fc.array(lie, { maxLength: 3 }), ([is, nat], lies) => {
        const samples = samplesThrough(nat).map((sample, i) => {
          const told = lies.find(({ at }) => at === i);
          return told === undefined ? sample : { ...sample, observed: { address: EXTERNAL, port: told.port } };
        });
        throwUnless(natTypeOf(samples)).toEqual(is);
      }),
    );
  });

  it('can be written in a locator and takes bounded time, whatever servers say', () => {
    const anySample = fc.record({
      localPort: ports,
      server: fc.constantFrom(...SERVERS),
      observed: fc.record({ address: fc.constantFrom(EXTERNAL, OWN, '2001:db8::1'), port: ports }),
    });
    fc.assert(
      fc.property(fc.array(anySample, { maxLength: 100 }), (samples) => {
        const { natType, confidence } = classify(samples, [OWN]);
        if (natType.type === 'delta') {
          throwUnless(natType.delta).not.toBe(0);
          throwUnless(natType.delta >> 16).toBe(natType.delta < 0 ? -1 : 0);
        }
        throwUnless(confidence >= 0 && confidence <= 1).toBeTrue();
      }),
    );
    const many = Array.from({ length: 100_000 }, (_, i) => samplesThrough(random, { count: 1, base: i + 1 })).flat();
    expect(natTypeOf(many)).toEqual(natTypeOf(many.slice(0, 64)));
  });
});
