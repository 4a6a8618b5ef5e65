import fc from 'fast-check';
import { askSignal, readAsk, readReply, replySignal } from '../../../lib/techniques/turn/messages.js';
import { addresses, ports } from '../../support/locators.js';

const meetings = fc.record({
  attempt: fc.stringMatching(/^[A-Za-z0-9_-]{22}$/),
  from: fc.array(addresses, { maxLength: 8 }),
  at: fc.option(fc.record({ address: addresses, port: ports }), { nil: undefined }),
});

describe('what two nodes say to meet at a TURN server', () => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(meetings, (meeting) => {
        expect(readAsk(askSignal(meeting))).toEqual(meeting);
        expect(readReply(replySignal(meeting))).toEqual(meeting);
        expect(readReply(askSignal(meeting))).toBeUndefined();
        expect(readAsk(replySignal(meeting))).toBeUndefined();
      }),
    );
    const refusal = { attempt: 'attempt', refusal: 'not now' };
    expect(readReply(replySignal(refusal))).toEqual(refusal);
  });

  it('is nothing when it is malformed', () => {
    const good = { attempt: 'attempt', from: ['192.0.2.1'], at: '192.0.2.1:50000' };
    const read = (body: object) => readAsk({ kind: 'turn-ask', body: { ...good, ...body } });
    expect(read({})).toBeDefined();
    for (const wrong of [
      { attempt: '' },
      { attempt: 7 },
      { from: '192.0.2.1' },
      { from: ['192.0.2.1', 'here'] },
      { from: [7] },
      { from: Array.from({ length: 9 }, () => '192.0.2.1') },
      { at: 'rv.example.org:50000' },
      { at: '192.0.2.1:0' },
      { at: 7 },
      { at: null },
    ])
      expect(read(wrong)).withContext(JSON.stringify(wrong)).toBeUndefined();
    expect(readReply({ kind: 'turn-refusal', body: { attempt: 'attempt', reason: 7 } })).toBeUndefined();
  });
});
