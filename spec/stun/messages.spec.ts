import fc from 'fast-check';
import { ProtocolError } from '../../lib/errors.js';
import {
  ATTRIBUTE,
  attributeIn,
  BINDING,
  decodeStun,
  encodeStun,
  errorIn,
  hasUnknownAttribute,
  mappedAddressIn,
  otherAddressIn,
  plainAddress,
  readXorAddress,
  STUN_MAX_BYTES,
  stunDecoder,
  TRANSACTION_BYTES,
  withAttribute,
  withFingerprint,
  xorAddress,
  type StunMessage,
} from '../../lib/stun/messages.js';
import { cut, places } from '../support/chunks.js';
import { addresses } from '../support/locators.js';

/** Bytes in hexadecimal, a row of the RFC's each. */
function bytes(...rows: readonly string[]): Buffer {
  return Buffer.from(rows.join('').replaceAll(' ', ''), 'hex');
}

const TRANSACTION = bytes('b7e7a701 bc34d686 fa87dfae');

// RFC 5769 §2.1, a request; its integrity is that of the password VOkJxbRl1RmTxUk/WvJxBt.
const REQUEST = bytes(
  '00010058 2112a442 b7e7a701 bc34d686 fa87dfae',
  '80220010 5354554e 20746573 7420636c 69656e74', // SOFTWARE: STUN test client
  '00240004 6e0001ff 80290008 932ff9b1 51263b36', // PRIORITY, ICE-CONTROLLED
  '00060009 6576746a 3a683676 59202020', // USERNAME: evtj:h6vY, padded with spaces
  '00080014 9aeaa70c bfd8cb56 781ef2b5 b2d3f249 c1b571a2', // MESSAGE-INTEGRITY
  '80280004 e57a3bcf', // FINGERPRINT
);

// §2.2: where 192.0.2.1:32853 has come from.
const IPV4_ANSWER = bytes(
  '0101003c 2112a442 b7e7a701 bc34d686 fa87dfae',
  '8022000b 74657374 20766563 746f7220', // SOFTWARE: test vector
  '00200008 0001a147 e112a643', // XOR-MAPPED-ADDRESS
  '00080014 2b91f599 fd9e90c3 8c7489f9 2af9ba53 f06be7d7',
  '80280004 c07d4c96',
);

// §2.3: where 2001:db8:1234:5678:11:2233:4455:6677, port 32853, has come from.
const IPV6_ANSWER = bytes(
  '01010048 2112a442 b7e7a701 bc34d686 fa87dfae',
  '8022000b 74657374 20766563 746f7220',
  '00200014 0002a147 0113a9fa a5d3f179 bc25f4b5 bed2b9d9',
  '00080014 a382954e 4be67bf1 1784c97c 8292c275 bfe3ed41',
  '80280004 c8fb0b4c',
);

const VECTORS = { REQUEST, IPV4_ANSWER, IPV6_ANSWER };

/** A message, or the failure of the spec that needs it. */
function read(message: Buffer): StunMessage {
  const found = decodeStun(message);
  if (found === undefined) throw new Error('Expected a message of STUN');
  return found;
}

const answerWith = (attributes: StunMessage['attributes']): StunMessage => ({
  method: BINDING,
  class: 'success',
  transaction: TRANSACTION,
  attributes,
});

/** Messages of any method and class. */
const messages: fc.Arbitrary<StunMessage> = fc.record({
  method: fc.integer({ min: 0, max: 0xfff }),
  class: fc.constantFrom('request' as const, 'indication' as const, 'success' as const, 'error' as const),
  transaction: fc
    .uint8Array({ minLength: TRANSACTION_BYTES, maxLength: TRANSACTION_BYTES })
    .map((id) => Buffer.from(id)),
  attributes: fc.array(
    fc.record({
      type: fc.integer({ min: 0, max: 0xffff }).filter((type) => type !== ATTRIBUTE.fingerprint),
      value: fc.uint8Array({ maxLength: 60 }).map((value) => Buffer.from(value)),
    }),
    { maxLength: 12 },
  ),
});

describe('a message of STUN', () => {
  it('is read as RFC 5769 has it', () => {
    const request = read(REQUEST);
    expect(request).toEqual(jasmine.objectContaining({ method: BINDING, class: 'request', transaction: TRANSACTION }));
    expect(attributeIn(request, 0x8022)).toEqual(Buffer.from('STUN test client'));
    expect(attributeIn(request, 0x0006)).toEqual(Buffer.from('evtj:h6vY'));

    const ipv4 = read(IPV4_ANSWER);
    expect(ipv4).toEqual(jasmine.objectContaining({ method: BINDING, class: 'success', transaction: TRANSACTION }));
    expect(mappedAddressIn(ipv4)).toEqual({ address: '192.0.2.1', port: 32_853 });
    expect(mappedAddressIn(read(IPV6_ANSWER))).toEqual({
      address: '2001:db8:1234:5678:11:2233:4455:6677',
      port: 32_853,
    });
    for (const message of [ipv4, request]) expect(hasUnknownAttribute(message)).toBeFalse();
  });

  it('is written with the padding and the FINGERPRINT of RFC 5769', () => {
    for (const [name, vector] of Object.entries(VECTORS)) {
      // Padding may be any byte (RFC 8489 §14), and is zero here.
      const own = withFingerprint(encodeStun(read(vector)));
      expect(own).withContext(name).toHaveSize(vector.length);
      expect(read(own)).withContext(name).toEqual(read(vector));
    }
    const bare = withFingerprint(encodeStun(answerWith([])));
    expect(bare.subarray(0, 24).toString('hex')).toBe('010100082112a442b7e7a701bc34d686fa87dfae80280004');
  });

  it('of whose transaction or address a bit has changed is none where it has a FINGERPRINT', () => {
    const transaction = Array.from({ length: 12 }, (_, i) => 8 + i);
    const address = Array.from({ length: 8 }, (_, i) => 40 + i);
    for (const at of [...transaction, ...address]) {
      for (let bit = 0; bit < 8; bit++) {
        const changed = Buffer.from(IPV4_ANSWER);
        changed[at] = (changed[at] ?? 0) ^ (1 << bit);
        expect(decodeStun(changed)).withContext(`byte ${at}, bit ${bit}`).toBeUndefined();
      }
    }
  });

  it('is none where it was cut off', () => {
    for (const vector of Object.values(VECTORS)) {
      for (let length = 0; length < vector.length; length++)
        expect(decodeStun(vector.subarray(0, length)))
          .withContext(`${length} bytes`)
          .toBeUndefined();
    }
  });

  it('has nothing behind its FINGERPRINT', () => {
    const more = withAttribute(withFingerprint(encodeStun(answerWith([]))), { type: 0x8022, value: Buffer.alloc(4) });
    expect(decodeStun(more)).toBeUndefined();
  });

  it('may have no FINGERPRINT', () => {
    expect(decodeStun(encodeStun(answerWith([])))).toEqual(answerWith([]));
  });

  it('is none with an attribute that is longer than the message', () => {
    const whole = encodeStun(answerWith([{ type: 0x8022, value: Buffer.alloc(4) }]));
    whole.writeUInt16BE(5, 22);
    expect(decodeStun(whole)).toBeUndefined();
    whole.writeUInt16BE(0xffff, 22);
    expect(decodeStun(whole)).toBeUndefined();
  });

  it('is the same when it is written and read', () => {
    fc.assert(
      fc.property(messages, fc.boolean(), (message, isFingerprinted) => {
        const plain = encodeStun(message);
        expect(decodeStun(isFingerprinted ? withFingerprint(plain) : plain)).toEqual(message);
      }),
    );
  });

  it('is a message or none whatever the bytes are: nothing is thrown', () => {
    const anything = fc.uint8Array({ maxLength: 1_200 }).map((array) => Buffer.from(array));
    const mutated = fc
      .tuple(
        fc.constantFrom(...Object.values(VECTORS)),
        fc.array(fc.tuple(fc.nat({ max: 120 }), fc.nat({ max: 255 })), { maxLength: 8 }),
      )
      .map(([vector, changes]) => {
        const copy = Buffer.from(vector);
        for (const [at, value] of changes) copy[at % copy.length] = value;
        return copy;
      });
    fc.assert(
      fc.property(fc.oneof(anything, mutated), (datagram) => {
        const message = decodeStun(datagram);
        if (message === undefined) return;
        mappedAddressIn(message);
        otherAddressIn(message);
        errorIn(message);
      }),
    );
  });
});

describe('what a message of STUN tells', () => {
  it('is any address and port, whichever way it is written', () => {
    fc.assert(
      fc.property(addresses, fc.integer({ min: 1, max: 65_535 }), (address, port) => {
        const endpoint = { address, port };
        expect(readXorAddress(xorAddress(endpoint, TRANSACTION), TRANSACTION)).toEqual(endpoint);
        const old = answerWith([{ type: ATTRIBUTE.mappedAddress, value: plainAddress(endpoint) }]);
        expect(mappedAddressIn(old)).toEqual(endpoint);
        expect(otherAddressIn(answerWith([{ type: ATTRIBUTE.otherAddress, value: plainAddress(endpoint) }]))).toEqual(
          endpoint,
        );
      }),
    );
  });

  it('is what no router has changed, where both forms are there', () => {
    const [changed, real] = [
      { address: '10.0.0.1', port: 1 },
      { address: '192.0.2.1', port: 2 },
    ];
    const both = answerWith([
      { type: ATTRIBUTE.mappedAddress, value: plainAddress(changed) },
      { type: ATTRIBUTE.xorMappedAddress, value: xorAddress(real, TRANSACTION) },
    ]);
    expect(mappedAddressIn(both)).toEqual(real);
  });

  it('is no address without a port, of another family, or of another length', () => {
    const from = (value: Buffer) => mappedAddressIn(answerWith([{ type: ATTRIBUTE.mappedAddress, value }]));
    expect(from(bytes('0001 0050 c0000201'))).toEqual({ address: '192.0.2.1', port: 80 });
    for (const wrong of [
      '0001 0000 c0000201',
      '0000 0050 c0000201',
      '0003 0050 c0000201',
      '0002 0050 c0000201',
      '0001 0050 c00002',
      '0001',
      '',
    ])
      // prettier-ignore
      expect(from(bytes(wrong))).withContext(wrong).toBeUndefined();
    expect(mappedAddressIn(answerWith([]))).toBeUndefined();
  });

  it('is why a server refuses, in words that control no terminal', () => {
    const value = Buffer.concat([bytes('00000414'), Buffer.from('Unknown\u001b[2J')]);
    expect(errorIn(answerWith([{ type: ATTRIBUTE.errorCode, value }]))).toEqual({ code: 420, words: 'Unknown [2J' });
    expect(errorIn(answerWith([{ type: ATTRIBUTE.errorCode, value: bytes('0000') }]))).toBeUndefined();
    expect(errorIn(answerWith([]))).toBeUndefined();
  });

  it('is nothing to go by where a message has what one must know and nobody does', () => {
    for (const [type, isUnknown] of [
      [0x0004, false],
      [0x002a, false],
      [0x7ffe, true],
      [0x8000, false],
    ] as const)
      expect(hasUnknownAttribute(answerWith([{ type, value: Buffer.alloc(0) }])))
        .withContext(String(type))
        .toBe(isUnknown);
  });
});

describe('messages of STUN on a stream', () => {
  it('are the same however the stream is cut', () => {
    fc.assert(
      fc.property(fc.array(messages, { minLength: 1, maxLength: 4 }), places, (sent, where) => {
        const decode = stunDecoder();
        expect(cut(Buffer.concat(sent.map(encodeStun)), where).flatMap(decode)).toEqual(sent);
      }),
    );
  });

  it('end at what is none, at one that is too long, and at one whose FINGERPRINT is wrong, before any more is kept', () => {
    const long = encodeStun(answerWith([{ type: 0x8022, value: Buffer.alloc(STUN_MAX_BYTES) }]));
    const forged = Buffer.from(IPV4_ANSWER);
    forged[30] = 0;
    for (const wrong of [Buffer.from('HTTP/1.1 400 Bad Request\r\n'), long.subarray(0, 20), forged, Buffer.alloc(20)]) {
      const decode = stunDecoder();
      expect(() => decode(wrong)).toThrowMatching((error) => error instanceof ProtocolError);
    }
  });
});
