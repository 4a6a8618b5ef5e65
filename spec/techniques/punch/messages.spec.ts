import fc from 'fast-check';
import { MAX_PREDICTIONS } from '../../../lib/nat/predict.js';
import type { PunchSide } from '../../../lib/techniques/punch/plan.js';
import { answerSignal, askSignal, readAnswer, readAsk } from '../../../lib/techniques/punch/messages.js';
import type { NatType } from '../../../lib/unl/types.js';
import type { Signal } from '../../../lib/signalling/signalling.js';
import { addresses, ports } from '../../support/locators.js';

const natTypes: fc.Arbitrary<NatType> = fc.oneof(
  fc.constantFrom('open', 'preserving', 'reuse', 'random', 'unknown').map((type): NatType => ({ type })),
  fc
    .integer({ min: -32_768, max: 32_767 })
    .filter((delta) => delta !== 0)
    .map((delta): NatType => ({ type: 'delta', delta })),
);
const sides: fc.Arbitrary<PunchSide> = fc.record({
  natType: natTypes,
  address: addresses,
  ports: fc.array(ports, { maxLength: MAX_PREDICTIONS }),
});
const names = { attempt: fc.stringMatching(/^[A-Za-z0-9_-]{1,32}$/), round: fc.nat(99) };

/** What comes out at the other end of JSON. */
function carried({ kind, body }: Signal): Signal {
  const text: unknown = JSON.parse(JSON.stringify(body));
  return { kind, body: typeof text === 'object' ? { ...text } : {} };
}

const side = { natType: { type: 'preserving' }, address: '203.0.113.9', ports: [4000] } as const;
const ask = { attempt: 'a', round: 0, side, roundTripMs: 80, mayGuess: true };

describe('what nodes say before they punch', () => {
  it('comes back as it was', () => {
    const asks = fc.record({
      ...names,
      side: sides,
      roundTripMs: fc.double({ min: 0, max: 2000, noNaN: true }),
      mayGuess: fc.boolean(),
    });
    const answers = fc.oneof(
      fc.record({ ...names, side: sides }),
      fc.record({ ...names, refusal: fc.string({ maxLength: 256 }) }),
    );
    fc.assert(
      fc.property(asks, answers, (someAsk, answer) => {
        // JSON knows no negative zero.
        const plain = { ...someAsk, roundTripMs: someAsk.roundTripMs + 0 };
        throwUnless(readAsk(carried(askSignal(plain)))).toEqual(plain);
        throwUnless(readAnswer(carried(answerSignal(answer)))).toEqual(answer);
      }),
    );
  });

  it('sends only what the other side needs', () => {
    const own = { ...side, localPorts: [4000] };
    expect(askSignal({ ...ask, side: own })).toEqual(askSignal(ask));
  });

  it('does not wait for longer than two seconds, whatever the other side says', () => {
    expect(readAsk(askSignal({ ...ask, roundTripMs: 1e9 }))?.roundTripMs).toBe(2000);
  });

  it('is an ask or an answer, never both', () => {
    expect(readAnswer(askSignal(ask))).toBeUndefined();
    expect(readAsk(answerSignal(ask))).toBeUndefined();
  });

  it('is nothing when it is malformed', () => {
    const wrong: Readonly<Record<string, unknown>>[] = [
      { attempt: '' },
      { attempt: 'a b' },
      { attempt: 1 },
      { round: -1 },
      { round: 100 },
      { round: 0.5 },
      { round: '0' },
      { roundTripMs: -1 },
      { roundTripMs: '80' },
      { roundTripMs: null },
      { side: undefined },
      { side: [] },
      { side: { ...side, address: 1 } },
      { side: { ...side, ports: 4000 } },
      { side: { ...side, ports: [0] } },
      { side: { ...side, ports: ['4000'] } },
      { side: { ...side, ports: Array.from({ length: MAX_PREDICTIONS + 1 }, (_, i) => i + 1) } },
      { side: { ...side, natType: 'preserving' } },
      { side: { ...side, natType: { type: 'kind' } } },
      { side: { ...side, natType: { type: 'delta' } } },
      { side: { ...side, natType: { type: 'delta', delta: 0 } } },
      { side: { ...side, natType: { type: 'delta', delta: 32_768 } } },
      { side: { ...side, natType: { type: 'delta', delta: 1.5 } } },
    ];
    for (const fields of wrong) {
      const asked = { kind: 'punch-ask', body: { ...ask, ...fields } };
      expect(readAsk(asked)).withContext(JSON.stringify(fields)).toBeUndefined();
      if ('roundTripMs' in fields) continue;
      const answered = { kind: 'punch-answer', body: { ...ask, ...fields } };
      expect(readAnswer(answered)).withContext(JSON.stringify(fields)).toBeUndefined();
    }
  });

  it('is read or is undefined, and never throws', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('punch-ask', 'punch-answer'),
        fc.dictionary(fc.string(), fc.anything()),
        (kind, body) => {
          readAsk({ kind, body });
          readAnswer({ kind, body });
        },
      ),
    );
  });
});
