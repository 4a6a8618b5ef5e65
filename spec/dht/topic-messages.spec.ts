import fc from 'fast-check';
import {
  decodeJoin,
  decodeMembers,
  encodeJoin,
  encodeMembers,
  membershipOf,
  MEMBERS_BYTES,
  placeOf,
} from '../../lib/dht/topic-messages.js';

const bytes = (least: number, most = least) =>
  fc.uint8Array({ minLength: least, maxLength: most }).map((all) => Buffer.from(all));
const members = fc.array(
  fc.record({
    seenAt: fc.option(fc.constantFrom('198.51.100.7', '192.0.2.1', '127.0.0.1'), { nil: undefined }),
    unl: bytes(1, 120),
  }),
  { maxLength: 7 },
);

describe('What nodes of the DHT say of topics', () => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(bytes(32), bytes(64), bytes(1, 384), members, (topic, signature, unl, named) => {
        const join = { topic, near: topic, signature, unl };
        throwUnless(decodeJoin(encodeJoin(join))).toEqual(join);
        throwUnless(decodeMembers(encodeMembers(named))).toEqual(named);
      }),
    );
  });

  it('is one or none whatever comes, and never an exception', () => {
    fc.assert(
      fc.property(fc.oneof(bytes(0, 80), bytes(120, 520)), fc.boolean(), (value, isAnswer) => {
        const input = isAnswer ? Buffer.concat([Buffer.from([0]), value]) : value;
        const join = decodeJoin(input);
        if (join !== undefined) throwUnless(encodeJoin(join)).toEqual(input);
        const named = decodeMembers(input);
        if (named !== undefined) throwUnless(encodeMembers(named)).toEqual(input);
      }),
      { numRuns: 1_000 },
    );
  });

  it('is none when it is too long or too short', () => {
    expect(decodeJoin(Buffer.alloc(128))).toBeUndefined();
    expect(decodeJoin(Buffer.alloc(129))).toBeDefined();
    expect(decodeJoin(Buffer.alloc(128 + 385))).toBeUndefined();
    expect(decodeMembers(Buffer.alloc(0))).toBeUndefined();
    expect(decodeMembers(Buffer.from([2]))).toBeUndefined();
    expect(decodeMembers(Buffer.from('00c0000201000100', 'hex').subarray(0, 7))).toBeUndefined();
    expect(decodeMembers(Buffer.from('00c00002010000', 'hex'))).toBeUndefined();
    expect(decodeMembers(Buffer.from('00c0000201000209', 'hex'))).toBeUndefined();
    expect(decodeMembers(Buffer.from('00c000020101810909', 'hex'))).toBeUndefined();
  });

  it('names as many members as fit in a datagram, the first', () => {
    const many = Array.from({ length: 20 }, (_, index) => ({ seenAt: '192.0.2.1', unl: Buffer.alloc(200, index + 1) }));
    const answer = encodeMembers(many);
    expect(answer.length).toBeLessThanOrEqual(1 + MEMBERS_BYTES);
    expect(decodeMembers(answer)).toEqual(many.slice(0, 4));
  });

  it('is signed for one node, address, topic and locator', () => {
    const [one, two] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
    const at = { address: '192.0.2.1', port: 1 };
    const signed = [
      membershipOf(one, one, at, one, one),
      membershipOf(two, one, at, one, one),
      membershipOf(one, two, at, one, one),
      membershipOf(one, one, { ...at, port: 2 }, one, one),
      membershipOf(one, one, { ...at, address: '192.0.2.2' }, one, one),
      membershipOf(one, one, at, two, one),
      membershipOf(one, one, at, one, two),
    ];
    expect(new Set(signed.map((text) => text.toString('hex'))).size).toBe(signed.length);
    expect(placeOf(one).equals(placeOf(two))).toBeFalse();
  });
});
