import fc from 'fast-check';
import { expectLine } from '../../../lib/link/lines.js';
import { REPLY_MAX_BYTES } from '../../../lib/rendezvous/messages.js';
import { formatSessionReply } from '../../../lib/signalling/carriers/mailbox-lines.js';
import { formatKept, keptIdIn, keptIn, parseKept, receiptIn, type Kept } from '../../../servers/mailbox/kept.js';

const KEPT: Kept = {
  to: 'pyp2p box a',
  from: 'b',
  id: 'c',
  message: 'eA-_0',
  seenAt: '2001:db8::1',
  receipt: 'r',
  arrived: 5,
  expires: 100,
};

const name = fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/);
const kept = fc.record({
  to: name,
  from: name,
  id: name,
  message: fc.stringMatching(/^[A-Za-z0-9_-]{1,100}$/),
  seenAt: fc.ipV4(),
  receipt: name,
  arrived: fc.nat(),
  expires: fc.nat(),
});

describe('A message as a mailbox stores it', () => {
  it('is read as it was written, and its parts are where they are looked for', () => {
    fc.assert(
      fc.property(kept, (message) => {
        const text = formatKept(message);
        expect(parseKept(text)).toEqual(message);
        expect(keptIn(text)).toEqual(message);
        expect(receiptIn(text, message)).toBe(message.receipt);
        expect(keptIdIn(text, message)).toBe([message.from, message.id].join('\n'));
      }),
    );
  });

  it('is none when a server would not have kept it', () => {
    const changed: readonly Partial<Kept>[] = [
      { to: '' },
      { from: '' },
      { id: 'a name of words' },
      { receipt: 'x'.repeat(65) },
      { message: '' },
      { message: 'no base64url' },
      { message: 'x'.repeat(49_152) },
      { seenAt: 'nowhere' },
      { seenAt: '2001:DB8::1' },
      { arrived: -1 },
      { expires: 0.5 },
      { expires: Infinity },
    ];
    for (const each of changed) expect(parseKept(formatKept({ ...KEPT, ...each }))).toBeUndefined();
    for (const text of ['', '{}', JSON.stringify(KEPT), `${formatKept(KEPT)}\n`, ` ${formatKept(KEPT)} `])
      expect(parseKept(text)).toBeUndefined();
    expect(parseKept(formatKept(KEPT))).toEqual(KEPT);
  });

  it('goes into a line of a session, however long it is', () => {
    const text = formatKept({ ...KEPT, message: 'x'.repeat(49_152 - formatKept({ ...KEPT, message: '' }).length) });
    const longest = parseKept(text);
    expect(longest).toBeDefined();
    const line = formatSessionReply({ verb: 'MESSAGE', ageMs: 1, ...(longest ?? KEPT), from: 'b'.repeat(43) });
    expect(() => {
      expectLine(line, REPLY_MAX_BYTES);
    }).not.toThrow();
  });
});
