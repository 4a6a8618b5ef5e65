import fc from 'fast-check';
import {
  decodeAnnounce,
  decodeAnswer,
  decodePush,
  decodeStore,
  digestOf,
  encodeAnnounce,
  encodeAnswer,
  encodePush,
  encodeStore,
  mailboxOf,
  MAX_PARTS,
  PART_BYTES,
  SECRET_BYTES,
  STATUS,
  toParts,
} from '../../lib/dht/messages.js';
import { createIdentity } from '../../lib/identity.js';

const bytes = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((array) => Buffer.from(array));
const anyPart = fc.record({
  digest: bytes(32),
  index: fc.integer({ min: 0, max: MAX_PARTS - 1 }),
  count: fc.constant(MAX_PARTS),
  bytes: fc.uint8Array({ maxLength: PART_BYTES }).map((array) => Buffer.from(array)),
});

describe('The messages of the DHT', () => {
  it('do not keep their datagram in memory', () => {
    const inDatagram = (message: Buffer) => {
      const datagram = Buffer.concat([message, Buffer.alloc(60_000)]);
      return datagram.subarray(0, message.length);
    };
    const [part] = toParts(Buffer.from('few'));
    if (part === undefined) throw new Error('Expected a part');
    const to = Buffer.alloc(32);
    const secret = Buffer.alloc(SECRET_BYTES);
    const stored = decodeStore(inDatagram(encodeStore({ to, part, keepMs: 1 })))?.part;
    const pushed = decodePush(inDatagram(encodePush(secret, { part, seenAt: undefined })))?.push.part;
    const announced = decodeAnnounce(inDatagram(encodeAnnounce(createIdentity(), secret, undefined)));
    for (const bytes of [stored?.bytes, stored?.digest, pushed?.bytes, pushed?.digest, announced?.secret]) {
      expect(bytes?.buffer.byteLength).toBe(bytes?.length);
    }
  });

  it('give back what was stored and pushed', () => {
    const secret = Buffer.alloc(SECRET_BYTES, 7);
    fc.assert(
      fc.property(bytes(32), anyPart, fc.integer({ min: 0, max: 600_000 }), fc.ipV4(), (to, part, keepMs, seenAt) => {
        throwUnless(decodeStore(encodeStore({ to, part, keepMs }))).toEqual({ to, part, keepMs });
        const isKnown = seenAt !== '0.0.0.0';
        const push = { part, seenAt: isKnown ? seenAt : undefined };
        throwUnless(decodePush(encodePush(secret, { part, seenAt }))).toEqual({ secret, push });
      }),
    );
  });

  it('give back an announcement and an answer', () => {
    const identity = createIdentity();
    const announcement = Buffer.from('what is signed');
    const signature = identity.sign(announcement);
    const secret = Buffer.alloc(SECRET_BYTES, 7);
    const { peerId } = identity;
    expect(decodeAnnounce(encodeAnnounce(identity, secret, announcement))).toEqual({ peerId, secret, signature });
    const delivered = { status: STATUS.delivered, receipt: signature };
    expect(decodeAnswer(encodeAnswer(delivered))).toEqual(delivered);
    const refused = { status: STATUS.refused, receipt: undefined };
    expect(decodeAnswer(encodeAnswer(refused))).toEqual(refused);
  });

  it('read from garbage are undefined or within all limits, and never throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1_400 }), (array) => {
        const value = Buffer.from(array);
        decodeAnnounce(value);
        decodeAnswer(value);
        for (const part of [decodeStore(value)?.part, decodePush(value)?.push.part]) {
          if (part === undefined) continue;
          throwUnless(part.bytes.length).toBeLessThanOrEqual(PART_BYTES);
          throwUnless(part.index).toBeLessThan(part.count);
          throwUnless(part.count).toBeLessThanOrEqual(MAX_PARTS);
        }
      }),
    );
  });

  it('refuse a part beyond its parcel, too many parts, too long a time, and too much', () => {
    const [part] = toParts(Buffer.from('x'));
    if (part === undefined) throw new Error('Expected a part');
    const to = Buffer.alloc(32);
    const store = (changes: object, keepMs = 1) =>
      decodeStore(encodeStore({ to, part: { ...part, ...changes }, keepMs }));
    expect(store({})).toBeDefined();
    expect(store({ index: 1 })).toBeUndefined();
    expect(store({ count: MAX_PARTS + 1 })).toBeUndefined();
    expect(store({ bytes: Buffer.alloc(PART_BYTES + 1) })).toBeUndefined();
    expect(store({}, 600_001)).toBeUndefined();
  });

  it('fit into a datagram of 1280 bytes, with all that is around them', () => {
    const parts = toParts(Buffer.alloc(16 * 1024));
    expect(parts.length).toBe(MAX_PARTS);
    const largest = Math.max(...parts.map((part) => encodeStore({ to: Buffer.alloc(32), part, keepMs: 1 }).length));
    // IPv6 40, UDP 8; type, flags, number and address 10, id 32, token 32, command 3, length 3.
    expect(largest + 40 + 8 + 10 + 32 + 32 + 3 + 3).toBeLessThanOrEqual(1280);
  });

  it('cut a parcel into parts that make the parcel', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 16 * 1024 }), (length) => {
        const parcel = Buffer.alloc(length, 'parcel');
        const parts = toParts(parcel);
        throwUnless(Buffer.concat(parts.map((part) => part.bytes))).toEqual(parcel);
        throwUnless(
          parts.every(({ digest, count }) => digest.equals(digestOf(parcel)) && count === parts.length),
        ).toBeTrue();
      }),
    );
  });

  it('have a mailbox for a peer id, and for nothing else', () => {
    expect(mailboxOf(createIdentity().peerId)?.length).toBe(32);
    expect(mailboxOf('nobody')).toBeUndefined();
  });
});
