import { longTermKey, readIntact, withIntegrity } from '../../lib/stun/integrity.js';
import {
  ATTRIBUTE,
  attributeIn,
  BINDING,
  encodeStun,
  withAttribute,
  withFingerprint,
} from '../../lib/stun/messages.js';

function bytes(...rows: readonly string[]): Buffer {
  return Buffer.from(rows.join('').replaceAll(' ', ''), 'hex');
}

// RFC 5769 §2.2, by the short-term password VOkJxbRl1RmTxUk/WvJxBt.
const ANSWER = bytes(
  '0101003c 2112a442 b7e7a701 bc34d686 fa87dfae',
  '8022000b 74657374 20766563 746f7220',
  '00200008 0001a147 e112a643',
  '00080014 2b91f599 fd9e90c3 8c7489f9 2af9ba53 f06be7d7',
  '80280004 c07d4c96',
);
const SHORT_TERM = Buffer.from('VOkJxbRl1RmTxUk/WvJxBt');

// §2.4, by long-term credentials: the user マトリックス, the password TheMatrIX, the realm example.org.
const LONG_TERM_REQUEST = bytes(
  '00010060 2112a442 78ad3433 c6ad72c0 29da412e',
  '00060012 e3839ee3 8388e383 aae38383 e382afe3 82b90000',
  '0015001c 662f2f34 39396b39 35346436 4f4c3334 6f4c3946 53547679 36347341',
  '0014000b 6578616d 706c652e 6f726700',
  '00080014 f6702465 6dd64a3e 02b8e071 2e85c9a2 8ca89666',
);
const LONG_TERM = longTermKey('マトリックス', 'example.org', 'TheMatrIX');

describe('the integrity of a message of STUN', () => {
  it('is that of RFC 5769, by a password and by long-term credentials', () => {
    expect(readIntact(ANSWER, SHORT_TERM)?.attributes).toHaveSize(2);
    expect(readIntact(LONG_TERM_REQUEST, LONG_TERM)?.attributes).toHaveSize(3);
  });

  it('is nothing to whoever has another key, and broken by any change', () => {
    expect(readIntact(ANSWER, LONG_TERM)).toBeUndefined();
    // Without FINGERPRINT nothing else would notice.
    for (let at = 0; at < LONG_TERM_REQUEST.length; at++) {
      const changed = Buffer.from(LONG_TERM_REQUEST);
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(readIntact(changed, LONG_TERM)).withContext(`byte ${at}`).toBeUndefined();
    }
  });

  it('is written so that the same key reads it, with and without FINGERPRINT', () => {
    const message = { method: BINDING, class: 'request' as const, transaction: Buffer.alloc(12, 1), attributes: [] };
    const signed = withIntegrity(encodeStun(message), LONG_TERM);
    expect(readIntact(signed, LONG_TERM)).toEqual(message);
    expect(readIntact(withFingerprint(signed), LONG_TERM)).toEqual(message);
    expect(readIntact(withFingerprint(signed), SHORT_TERM)).toBeUndefined();
    expect(readIntact(encodeStun(message), LONG_TERM)).toBeUndefined();
  });

  it('does not cover what follows it, which is left out', () => {
    const message = { method: BINDING, class: 'success' as const, transaction: Buffer.alloc(12, 1), attributes: [] };
    const signed = withIntegrity(encodeStun(message), LONG_TERM);
    const longer = withAttribute(signed, { type: ATTRIBUTE.xorMappedAddress, value: Buffer.alloc(8) });
    const read = readIntact(longer, LONG_TERM);
    expect(read && attributeIn(read, ATTRIBUTE.xorMappedAddress)).toBeUndefined();
  });

  it('has one key for all spellings of a password', () => {
    const [composed, decomposed] = ['caf\u00e9 1', 'cafe\u0301\u00a01'];
    expect(longTermKey('user', 'realm', decomposed)).toEqual(longTermKey('user', 'realm', composed));
  });
});
