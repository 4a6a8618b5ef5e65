import fc from 'fast-check';
import {
  ANNOUNCE,
  describeResult,
  formatAnnounce,
  formatMap,
  MAP,
  NONCE_BYTES,
  parsePcp,
} from '../../lib/port-mapping/pcp-messages.js';
import { addressToBytes } from '../../lib/endpoint.js';
import { addresses } from '../support/locators.js';

/** Bytes as the RFC draws them: in hexadecimal, a row of four bytes a word. */
function bytes(...rows: readonly string[]): Buffer {
  return Buffer.from(rows.join('').replaceAll(' ', ''), 'hex');
}

const NONCE = bytes('000102030405060708090a0b');

// RFC 6887 §7.1, figure 2, and §11.1, figure 9: for TCP, of 192.168.1.7:50500 (0xc544), for 7200 s (0x1c20).
const REQUEST = bytes(
  '02 01 0000', // version 2, R = 0 and opcode 1 (MAP), reserved
  '00001c20', // requested lifetime
  '00000000 00000000 0000ffff c0a80107', // the client, IPv4-mapped
  '00010203 04050607 08090a0b', // nonce
  '06 000000', // TCP, reserved
  'c544 c545', // internal port, suggested external port
  '00000000 00000000 0000ffff 00000000', // suggested external address: any of IPv4
);

// §7.2, figure 3, and §11.1, figure 10: it leads 198.51.100.7:50502 there, and has been up for 100000 s (0x186a0).
const ANSWER = bytes(
  '02 81 00 00', // version 2, R = 1 and opcode 1, reserved, result 0 (SUCCESS)
  '00000e10', // lifetime: 3600 s
  '000186a0', // epoch
  '00000000 00000000 00000000', // reserved
  '00010203 04050607 08090a0b', // nonce
  '06 000000', // TCP
  'c544 c546', // internal port, assigned external port
  '00000000 00000000 0000ffff c6336407', // assigned external address
);

// Figure 5 and §14.1.1: the header alone.
const ANNOUNCE_ANSWER = bytes('02 80 00 00', '00000000', '000186a0', '00000000 00000000 00000000');

/** An answer with one byte changed. */
function changed(answer: Buffer, index: number, value: number): Buffer {
  const copy = Buffer.from(answer);
  copy[index] = value;
  return copy;
}

describe('a PCP request', () => {
  it('to map is laid out as RFC 6887 §7.1 and §11.1 say', () => {
    const request = formatMap({
      client: '192.168.1.7',
      nonce: NONCE,
      internalPort: 50500,
      externalPort: 50501,
      lifetimeSeconds: 7200,
    });
    expect(request.toString('hex')).toBe(REQUEST.toString('hex'));
    expect(request).toHaveSize(60);
  });

  it('of an IPv6 client names it as it is, and suggests any IPv6 address', () => {
    const request = formatMap({
      client: '2001:db8::7',
      nonce: NONCE,
      internalPort: 1,
      externalPort: 0,
      lifetimeSeconds: 0,
    });
    const expected = bytes(
      '02 01 0000 00000000 20010db8 00000000 00000000 00000007',
      '00010203 04050607 08090a0b 06000000 0001 0000',
      '00000000 00000000 00000000 00000000',
    );
    expect(request.toString('hex')).toBe(expected.toString('hex'));
  });

  it('to announce is the header alone (§14.1.1)', () => {
    const expected = bytes('02 00 0000 00000000 00000000 00000000 0000ffff 0a000001');
    expect(formatAnnounce('10.0.0.1').toString('hex')).toBe(expected.toString('hex'));
  });

  it('takes the longest lifetime that there is, and no more of a nonce than there is room for', () => {
    const request = formatMap({
      client: '10.0.0.1',
      nonce: Buffer.alloc(99, 0xee),
      internalPort: 65535,
      externalPort: 65535,
      lifetimeSeconds: 2 ** 32 - 1,
    });
    expect(request).toHaveSize(60);
    expect(request.subarray(4, 8).toString('hex')).toBe('ffffffff');
    expect(request.subarray(24, 44).toString('hex')).toBe('ee'.repeat(NONCE_BYTES) + '06000000' + 'ffffffff');
  });

  it('is none of an answer: what comes back as it was sent does not count', () => {
    expect(parsePcp(REQUEST)).toBeUndefined();
    expect(parsePcp(formatAnnounce('10.0.0.1'))).toBeUndefined();
  });
});

describe('a PCP answer', () => {
  it('to MAP is read as RFC 6887 §7.2 and §11.1 lay it out', () => {
    expect(parsePcp(ANSWER)).toEqual({
      opcode: MAP,
      result: 0,
      lifetimeSeconds: 3600,
      epochSeconds: 100_000,
      map: { nonce: NONCE, internalPort: 50500, external: { address: '198.51.100.7', port: 50502 } },
    });
  });

  it('to ANNOUNCE is read from the header alone', () => {
    const expected = { opcode: ANNOUNCE, result: 0, lifetimeSeconds: 0, epochSeconds: 100_000, map: undefined };
    expect(parsePcp(ANNOUNCE_ANSWER)).toEqual(expected);
  });

  it('may have options behind it, which are passed over (§7.3)', () => {
    const option = bytes('02 00 0004 deadbeef');
    expect(parsePcp(Buffer.concat([ANSWER, option]))).toEqual(parsePcp(ANSWER));
  });

  it('holds numbers without a sign', () => {
    const answer = parsePcp(changed(changed(ANSWER, 4, 0xff), 8, 0xff));
    expect(answer?.lifetimeSeconds).toBe(0xff000e10);
    expect(answer?.epochSeconds).toBe(0xff0186a0);
  });

  it('that refuses is read with its result', () => {
    for (let result = 1; result <= 255; result++) {
      expect(parsePcp(changed(ANSWER, 3, result))?.result).toBe(result);
    }
  });

  it('of a NAT-PMP gateway, which knows no version 2, is the refusal of the version (RFC 6886 §3.5, RFC 6887 §9)', () => {
    // Version 0, the opcode of the request with its first bit set, result 1, seconds since the start of epoch.
    for (const opcode of ['80', '81']) {
      expect(parsePcp(bytes(`00 ${opcode} 0001 00000e10`))).toEqual(
        jasmine.objectContaining({ result: 1, epochSeconds: 3600, map: undefined }),
      );
    }
  });

  it('of a NAT-PMP gateway that says something else is none', () => {
    expect(parsePcp(bytes('00 80 0000 00000e10 c6336407'))).toBeUndefined();
    expect(parsePcp(bytes('00 80 0002 00000e10'))).toBeUndefined();
  });

  it('is none when it is cut off, wherever that is', () => {
    for (let length = 0; length < ANSWER.length; length++) {
      expect(parsePcp(ANSWER.subarray(0, length)))
        .withContext(`${length} bytes`)
        .toBeUndefined();
    }
    for (let length = 0; length < ANNOUNCE_ANSWER.length; length++) {
      expect(parsePcp(ANNOUNCE_ANSWER.subarray(0, length)))
        .withContext(`${length} bytes`)
        .toBeUndefined();
    }
  });

  it('is none when it is longer than 1100 bytes, or no multiple of 4 (§8.3)', () => {
    const padded = (length: number) => Buffer.concat([ANSWER, Buffer.alloc(length - ANSWER.length)]);
    expect(parsePcp(padded(1100))).toBeDefined();
    expect(parsePcp(padded(1104))).toBeUndefined();
    for (const length of [61, 62, 63]) expect(parsePcp(padded(length))).toBeUndefined();
  });

  it('is none of another version, and none of another protocol than TCP', () => {
    for (const version of [1, 3, 255]) expect(parsePcp(changed(ANSWER, 0, version))).toBeUndefined();
    expect(parsePcp(changed(ANSWER, 36, 17))).toBeUndefined();
    expect(parsePcp(changed(ANSWER, 36, 0))).toBeUndefined();
  });

  it('of another opcode is told from one to MAP', () => {
    const peer = parsePcp(changed(ANSWER, 1, 0x82));
    expect(peer?.opcode).toBe(2);
    expect(peer?.map).toBeUndefined();
  });

  it('keeps its nonce when the buffer that it came in is used again', () => {
    const buffer = Buffer.from(ANSWER);
    const answer = parsePcp(buffer);
    buffer.fill(0);
    expect(answer?.map?.nonce.toString('hex')).toBe(NONCE.toString('hex'));
  });

  it('holds any external address', () => {
    fc.assert(
      fc.property(addresses, fc.integer({ min: 0, max: 65535 }), (address, port) => {
        const plain = addressToBytes(address);
        const mapped = plain.length === 16 ? plain : [...bytes('00000000000000000000ffff'), ...plain];
        const datagram = Buffer.from(ANSWER);
        datagram.set(mapped, 44);
        datagram.writeUInt16BE(port, 42);
        expect(parsePcp(datagram)?.map?.external).toEqual({ address, port });
      }),
    );
  });

  it('is an answer or none whatever the bytes are: nothing is thrown', () => {
    const anything = fc.uint8Array({ maxLength: 1200 }).map((array) => Buffer.from(array));
    const mutated = fc
      .array(fc.tuple(fc.nat({ max: ANSWER.length - 1 }), fc.nat({ max: 255 })), { maxLength: 8 })
      .map((changes) => changes.reduce((answer, [index, value]) => changed(answer, index, value), ANSWER));
    fc.assert(
      fc.property(fc.oneof(anything, mutated), (datagram) => {
        const answer = parsePcp(datagram);
        return answer === undefined || (answer.result >= 0 && answer.result <= 255);
      }),
    );
  });
});

describe('what a PCP result code means', () => {
  it('is said in words, also for codes that nobody has assigned', () => {
    expect(describeResult(2)).toBe('not authorized');
    expect(describeResult(11)).toContain('external address');
    expect(describeResult(12)).toContain('another NAT');
    expect(describeResult(13)).toBe('too many remote peers');
    expect(describeResult(99)).toBe('result code 99');
  });
});
