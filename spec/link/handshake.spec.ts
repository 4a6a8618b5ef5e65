import fc from 'fast-check';
import { ProtocolError } from '../../lib/errors.js';
import { decodeEnd, decodeHello, encodeEnd, encodeHello } from '../../lib/link/handshake.js';

const ID = 'AAAAAAAAAAAAAAAAAAAAAA';

/** Bytes of every kind: noise, JSON of anything, and objects with the right names. */
const garbage = fc.oneof(
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  fc.json().map((text) => Buffer.from(text)),
  fc
    .record({ connection: fc.jsonValue(), code: fc.jsonValue(), message: fc.jsonValue() }, { requiredKeys: [] })
    .map((value) => Buffer.from(JSON.stringify(value))),
);

describe('a hello', () => {
  it('names the connection', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[A-Za-z0-9_-]{22}$/), (connection) => {
        throwUnless(decodeHello(encodeHello({ connection }))).toEqual({ connection });
      }),
    );
  });

  it('may say more, which is for newer versions', () => {
    expect(decodeHello(Buffer.from(JSON.stringify({ connection: ID, version: 2, more: [] })))).toEqual({
      connection: ID,
    });
  });

  it('without exactly an id is a ProtocolError', () => {
    const wrong = [
      '',
      '{}',
      '[]',
      'null',
      `"${ID}"`,
      ...['', 'A', `${ID}A`, `${ID}\n`, ' '.repeat(22)].map((connection) => JSON.stringify({ connection })),
    ];
    for (const text of wrong) {
      expect(() => decodeHello(Buffer.from(text)))
        .withContext(text)
        .toThrowError(ProtocolError);
    }
    fc.assert(
      fc.property(garbage, (bytes) => {
        throwUnless(() => decodeHello(bytes)).toThrowError(ProtocolError);
      }),
    );
  });
});

describe('an end', () => {
  it('says why', () => {
    const end = { code: 'line-too-long', message: 'Expected a line of at most 5 bytes, got a longer one – ü' };
    expect(decodeEnd(encodeEnd(end))).toEqual(end);
  });

  it('is an end whatever it says: what cannot be read is left out', () => {
    const plain = { code: 'closed', message: 'closed by the peer' };
    for (const text of ['', '{', '[]', '{"code":1,"message":{}}']) expect(decodeEnd(Buffer.from(text))).toEqual(plain);
    expect(decodeEnd(Buffer.from('{"code":"refused"}'))).toEqual({ ...plain, code: 'refused' });
    expect(decodeEnd(Buffer.from(JSON.stringify({ code: 'c'.repeat(65) })))).toEqual(plain);
    fc.assert(
      fc.property(garbage, (bytes) => {
        const { code, message } = decodeEnd(bytes);
        return code.length <= 64 && message.length <= 512;
      }),
    );
  });

  it('is short, written or read', () => {
    const message = 'm'.repeat(600);
    expect(encodeEnd({ code: 'closed', message }).length).toBeLessThan(600);
    expect(decodeEnd(Buffer.from(JSON.stringify({ code: 'closed', message }))).message).toHaveSize(512);
  });
});
