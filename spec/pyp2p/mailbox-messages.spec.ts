import { encode } from '@msgpack/msgpack';
import fc from 'fast-check';
import {
  decodeText,
  encodeText,
  formatReverse,
  parseReverse,
  TEXT_MAX_LENGTH,
  type ReverseMessage,
} from '../../lib/pyp2p/mailbox-messages.js';
import { unlsOfVersion2 } from '../support/locators.js';

const UNL = 'AgAAAAAAAAAAAAAAAAAAAAAAAAAAc2dtnK0BLS0tAgABCqhfKnY=';
const NONCE = '0123456789abcdefABCDEF0123456789'.repeat(2);

const nonces = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString('hex'));
const messages: fc.Arbitrary<ReverseMessage> = fc.oneof(
  fc.record({ verb: fc.constant('REVERSE_CONNECT'), unl: unlsOfVersion2, nonce: nonces }),
  fc.record({ verb: fc.constantFrom('REVERSE_QUERY', 'REVERSE_ORIGIN'), unl: unlsOfVersion2 }),
);

describe('a text in PyP2P’s mailbox', () => {
  it('is MessagePack in hex digits', () => {
    expect(encodeText('hi')).toBe('a26869');
    expect(encodeText('x'.repeat(40))).toBe(`d928${'78'.repeat(40)}`);
    expect(decodeText('A26869')).toBe('hi');
  });

  it('is read as it was written', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[\x20-\x7e]*$/, { maxLength: TEXT_MAX_LENGTH }), (text) => {
        expect(decodeText(encodeText(text))).toBe(text);
      }),
    );
  });

  it('is read when it was written by Python 2, to which a text is bytes', () => {
    expect(decodeText(Buffer.from(encode(Buffer.from('hi'))).toString('hex'))).toBe('hi');
  });

  it('is nothing else, nor too long, nor of other than printable ASCII', () => {
    const others = [17, null, true, ['hi'], { hi: 'hi' }, 'ä', 'a\nb', 'a\0b', 'x'.repeat(TEXT_MAX_LENGTH + 1)];
    for (const other of others) expect(decodeText(Buffer.from(encode(other)).toString('hex'))).toBeUndefined();
    // An array and a map that claim to be the largest, a text that is cut, bytes too many, no hex.
    for (const hex of ['ddffffffff', 'dfffffffff', 'dbffffffff', 'a268', 'a2686969', '', 'a', 'zz', 'a26869 ', 'c1']) {
      expect(decodeText(hex)).withContext(hex).toBeUndefined();
    }
    expect(decodeText('00'.repeat(1_000_000))).toBeUndefined();
  });

  it('never throws, whatever comes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        expect(['string', 'undefined']).toContain(typeof decodeText(Buffer.from(bytes).toString('hex')));
      }),
    );
  });
});

describe('a message of PyP2P’s reverse connect', () => {
  it('is written as PyP2P does', () => {
    const connect = parseReverse(`REVERSE_CONNECT:${UNL}:${NONCE}`);
    expect(connect).toEqual({ verb: 'REVERSE_CONNECT', unl: jasmine.objectContaining({ port: 44_444 }), nonce: NONCE });
    for (const verb of ['REVERSE_QUERY', 'REVERSE_ORIGIN']) {
      const message = parseReverse(`${verb}:${UNL}`);
      expect(message).toEqual(jasmine.objectContaining({ verb }));
      expect(message && formatReverse(message)).toBe(`${verb}:${UNL}`);
    }
  });

  it('is read as it was written', () => {
    fc.assert(
      fc.property(messages, (message) => {
        expect(parseReverse(formatReverse(message))).toEqual(message);
      }),
    );
  });

  it('is none when anything is missing, too much or wrong', () => {
    for (const text of [
      '',
      'REVERSE_CONNECT',
      `REVERSE_CONNECT:${UNL}`,
      `REVERSE_CONNECT:${UNL}:${NONCE.slice(1)}`,
      `REVERSE_CONNECT:${UNL}:${NONCE}0`,
      `REVERSE_CONNECT:${UNL}:${'g'.repeat(64)}`,
      `REVERSE_CONNECT:${UNL}:${NONCE}:`,
      `REVERSE_CONNECT:${UNL.slice(4)}:${NONCE}`,
      `REVERSE_QUERY:${UNL}:${NONCE}`,
      `REVERSE_QUERY:${UNL}:`,
      `reverse_query:${UNL}`,
      `REVERSE_OTHER:${UNL}`,
      `REVERSE_ORIGIN:${UNL.replace('A', 'B')}`,
      `REVERSE_ORIGIN:`,
    ]) {
      expect(parseReverse(text)).withContext(text).toBeUndefined();
    }
  });
});
