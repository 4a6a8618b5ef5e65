import {
  assert,
  array,
  base64String,
  constantFrom,
  integer,
  json,
  property,
  record,
  string,
  uint8Array,
} from 'fast-check';
import { createIdentity } from '../../../lib/identity.js';
import { PARCEL_MAX_BYTES } from '../../../lib/parcel.js';
import {
  authorize,
  decodeDelivered,
  decodePut,
  decodeRefusal,
  decodeTake,
  decodeTaken,
  encode,
  encodeTaken,
  isAuthorized,
  mailboxUrl,
  MAX_RECEIPTS,
  MAX_TAKEN,
  REQUEST_MAX_BYTES,
  WAIT_MAX_MS,
} from '../../../lib/signalling/carriers/mailbox-messages.js';

const [alice, bob] = [createIdentity(), createIdentity()];
const peerId = constantFrom(alice.peerId, bob.peerId);
const name = string({ minLength: 1, maxLength: 64, unit: constantFrom('a', 'b', 'X', 'Z', '0', '9', '-', '_') });
const time = integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const message = uint8Array({ minLength: 1, maxLength: 200 }).map((bytes) => Buffer.from(bytes).toString('base64url'));
const receipts = array(name, { maxLength: MAX_RECEIPTS });

const put = { from: alice.peerId, to: bob.peerId, id: 'id', at: 1, keepMs: 2, message: 'AAAA' };
const take = { owner: alice.peerId, at: 1, waitMs: 2, acknowledge: ['a'], holding: ['b'] };
const taken = { receipt: 'r', from: alice.peerId, message: 'AAAA', seenAt: '192.0.2.1', ageMs: 3 };

describe('what mailboxes and their clients say', () => {
  it('fits in a request: two full lists of the longest receipts, and the largest signal', () => {
    const full = Array.from({ length: MAX_RECEIPTS }, () => 'r'.repeat(64));
    const [at, keepMs, waitMs] = [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, WAIT_MAX_MS];
    const fullTake = encode({ owner: alice.peerId, at, waitMs, acknowledge: full, holding: full });
    const largest = Buffer.alloc(PARCEL_MAX_BYTES).toString('base64url');
    const fullPut = encode({ from: alice.peerId, to: bob.peerId, id: 'i'.repeat(64), at, keepMs, message: largest });
    expect(decodeTake(fullTake)).toBeDefined();
    expect(decodePut(fullPut)).toBeDefined();
    expect(fullTake.length).toBeLessThanOrEqual(REQUEST_MAX_BYTES);
    expect(fullPut.length).toBeLessThanOrEqual(REQUEST_MAX_BYTES);
  });

  it('is read as it was written', () => {
    assert(
      property(record({ from: peerId, to: peerId, id: name, at: time, keepMs: time, message }), (request) => {
        expect(decodePut(encode(request))).toEqual(request);
      }),
    );
    const waitMs = integer({ min: 0, max: WAIT_MAX_MS });
    assert(
      property(record({ owner: peerId, at: time, waitMs, acknowledge: receipts, holding: receipts }), (request) => {
        expect(decodeTake(encode(request))).toEqual(request);
      }),
    );
    const seenAt = constantFrom('192.0.2.1', '2001:db8::1');
    const messages = record({ receipt: name, from: peerId, message, seenAt, ageMs: time });
    assert(
      property(array(messages, { maxLength: MAX_TAKEN }), (answer) => {
        expect(decodeTaken(encodeTaken(answer))).toEqual(answer);
      }),
    );
    const refusal = { refused: 'clock', words: 'why', now: 5 } as const;
    expect(decodeRefusal(encode(refusal))).toEqual(refusal);
    for (const delivered of [true, false]) expect(decodeDelivered(encode({ delivered }))).toBe(delivered);
  });

  it('is nothing when it is anything else, and never throws', () => {
    assert(
      property(json(), (text) => {
        expect(decodePut(text) ?? decodeTake(text) ?? decodeTaken(text) ?? decodeRefusal(text)).toBeUndefined();
        expect(decodeDelivered(text)).toBeUndefined();
      }),
    );
    assert(
      property(string(), base64String(), (text, base64) => {
        expect(decodePut(text) ?? decodeTake(base64) ?? decodeTaken(text) ?? decodeRefusal(base64)).toBeUndefined();
      }),
    );
  });

  it('has every part, and each of its kind', () => {
    const wrongs: readonly unknown[] = [
      undefined,
      null,
      -1,
      1.5,
      '',
      ' ',
      'ä',
      'x'.repeat(65),
      {},
      [],
      [1],
      [' '],
      true,
    ];
    const fails = (
      decode: (text: string) => unknown,
      right: object,
      isRight: (field: string, wrong: unknown) => boolean,
    ) => {
      expect(decode(JSON.stringify(right))).toBeDefined();
      for (const field of Object.keys(right)) {
        for (const wrong of wrongs.filter((value) => !isRight(field, value))) {
          expect(decode(JSON.stringify({ ...right, [field]: wrong })))
            .withContext(`${field} ${JSON.stringify(wrong)}`)
            .toBeUndefined();
        }
      }
    };
    const isEmptyList = (value: unknown) => Array.isArray(value) && value.length === 0;
    fails(decodePut, put, () => false);
    fails(decodeTake, take, (field, wrong) => ['acknowledge', 'holding'].includes(field) && isEmptyList(wrong));
    fails(
      (text) => decodeTaken(`{"messages":[${text}]}`),
      taken,
      () => false,
    );
  });

  it('is bounded', () => {
    const many = Array.from({ length: MAX_RECEIPTS + 1 }, (_, index) => `${index}`);
    expect(decodeTake(encode({ ...take, acknowledge: many }))).toBeUndefined();
    expect(decodeTake(encode({ ...take, holding: many }))).toBeUndefined();
    expect(decodeTake(encode({ ...take, waitMs: WAIT_MAX_MS + 1 }))).toBeUndefined();
    expect(decodeTaken(encodeTaken(Array.from({ length: MAX_TAKEN + 1 }, () => taken)))).toBeUndefined();
    expect(decodeRefusal('{"refused":"toString","words":"","now":0}')).toBeUndefined();
    expect(decodeRefusal(JSON.stringify({ refused: 'clock', words: 'x'.repeat(1000), now: 0 }))?.words).toHaveSize(256);
  });

  it('is asked for below the URL of the server', () => {
    expect(mailboxUrl(new URL('http://rv.example.org:8080'), 'put').href).toBe(
      'http://rv.example.org:8080/mailbox/put',
    );
    expect(mailboxUrl(new URL('http://h/path'), 'take').href).toBe('http://h/path/mailbox/take');
    expect(mailboxUrl(new URL('http://h/path/'), 'take').href).toBe('http://h/path/mailbox/take');
  });
});

describe('the signature of a request', () => {
  const body = encode(take);
  const header = authorize(alice, 'take', 'h:80', body);
  const isFrom = (...[caller, verb, host, text]: [string, 'put' | 'take', string, string]) =>
    isAuthorized(caller, verb, host, Buffer.from(text), header);

  it('is of its caller, for its verb, its server and its body alone', () => {
    expect(isFrom(alice.peerId, 'take', 'h:80', body)).toBeTrue();
    expect(isFrom(alice.peerId, 'take', 'H:80', body)).toBeTrue();
    expect(isFrom(bob.peerId, 'take', 'h:80', body)).toBeFalse();
    expect(isFrom(alice.peerId, 'put', 'h:80', body)).toBeFalse();
    expect(isFrom(alice.peerId, 'take', 'other:80', body)).toBeFalse();
    expect(isFrom(alice.peerId, 'take', 'h:80', `${body} `)).toBeFalse();
  });

  it('is none when it is anything else', () => {
    assert(
      property(string(), base64String(), (text, base64) => {
        for (const wrong of [text, base64, `rxp2p-ed25519 ${text}`, `rxp2p-ed25519 ${base64}`, undefined]) {
          expect(isAuthorized(alice.peerId, 'take', 'h:80', Buffer.from(body), wrong)).toBeFalse();
        }
      }),
    );
  });
});
