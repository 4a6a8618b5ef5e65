import fc from 'fast-check';
import { MAX_PREDICTIONS, predictPorts } from '../../lib/nat/predict.js';
import { isPort } from '../../lib/endpoint.js';
import type { NatType } from '../../lib/unl/types.js';
import { ports } from '../support/locators.js';
import { RECORDINGS, samplesOf } from './recorded.js';

const observation = { localPort: 4000, observedPort: 9000 };

describe('predictPorts', () => {
  it('gives the local port where ports are kept, after the one seen for it if that was taken', () => {
    for (const type of ['open', 'preserving', 'unknown'] as const) {
      expect(predictPorts({ type }, { localPort: 4000, observedPort: undefined })).toEqual([4000]);
      expect(predictPorts({ type }, { localPort: 4000, observedPort: 4000 })).toEqual([4000]);
      expect(predictPorts({ type }, observation)).toEqual([9000, 4000]);
    }
  });

  it('gives the port that was seen where it is the same for every destination', () => {
    expect(predictPorts({ type: 'reuse' }, observation)).toEqual([9000]);
  });

  it('gives the next few, a delta apart, of a delta NAT', () => {
    const next = predictPorts({ type: 'delta', delta: 3 }, observation);
    expect(next).toEqual([9003, 9006, 9009, 9012, 9015, 9018, 9021, 9024]);
    expect(predictPorts({ type: 'delta', delta: -1 }, observation).slice(0, 2)).toEqual([8999, 8998]);
  });

  it('begins anew above the well-known ports when a delta NAT is at the end of its ports', () => {
    const last = { localPort: 4000, observedPort: 65_534 };
    expect(predictPorts({ type: 'delta', delta: 1 }, last).slice(0, 3)).toEqual([65_535, 1024, 1025]);
    const first = { localPort: 4000, observedPort: 2 };
    expect(predictPorts({ type: 'delta', delta: -1 }, first).slice(0, 3)).toEqual([1, 65_535, 65_534]);
  });

  it('gives nothing for a random NAT, or without a needed observation', () => {
    expect(predictPorts({ type: 'random' }, observation)).toEqual([]);
    for (const natType of [{ type: 'reuse' }, { type: 'delta', delta: 1 }] as const) {
      expect(predictPorts(natType, { localPort: 4000, observedPort: undefined })).toEqual([]);
    }
  });

  it('gives what came next, by every recording but those of random NATs', () => {
    for (const recording of RECORDINGS.filter(({ is }) => is.type !== 'random')) {
      const samples = samplesOf(recording);
      for (const [i, next] of samples.entries()) {
        const before = samples[i - 1];
        const isSame = before?.localPort === next.localPort;
        if (before === undefined || (!isSame && recording.is.type !== 'delta')) continue;
        const seen = { localPort: before.localPort, observedPort: before.observed.port };
        expect(predictPorts(recording.is, seen)[0]).withContext(recording.network).toBe(next.observed.port);
      }
    }
  });

  it('gives a few different ports, whatever the NAT and wherever it is', () => {
    const natTypes = fc.oneof(
      fc.constantFrom('open', 'preserving', 'reuse', 'random', 'unknown').map((type): NatType => ({ type })),
      fc.integer({ min: -32_768, max: 32_767 }).map((delta): NatType => ({ type: 'delta', delta })),
    );
    fc.assert(
      fc.property(natTypes, ports, ports, (natType, localPort, observedPort) => {
        const next = predictPorts(natType, { localPort, observedPort });
        throwUnless(next.every(isPort)).toBeTrue();
        throwUnless(next.length).toBeLessThanOrEqual(MAX_PREDICTIONS);
        throwUnless(new Set(next).size).toBe(next.length);
      }),
    );
  });
});
