import fc from 'fast-check';
import {
  formatReply,
  formatRequest,
  isMessage,
  parseReply,
  parseRequest,
  proofOf,
  REPLY_MAX_BYTES,
  REQUEST_MAX_BYTES,
  type Reply,
  type Request,
} from '../../lib/rendezvous/messages.js';
import { PARCEL_MAX_BYTES } from '../../lib/parcel.js';
import { addresses, peerIdOf, peerIds, ports } from '../support/locators.js';
import { anyText } from '../support/any-text.js';

const ids = fc.stringMatching(/^[A-Za-z0-9_-]{1,32}$/);
const unls = fc.stringMatching(/^[A-Za-z0-9_-]{1,80}$/);
const buffers = fc.uint8Array({ minLength: 1, maxLength: 80 }).map((bytes) => Buffer.from(bytes));
const servers = fc.stringMatching(/^[a-z0-9._-]{1,40}:[0-9]{1,5}$/);
const endpoints = fc.record({ address: addresses, port: ports });
const counts = fc.integer({ min: 1, max: 100 });
const topics = fc.stringMatching(/^[A-Za-z0-9_-]{43}$/);

/** Every line to a server. */
const requests: fc.Arbitrary<Request> = fc.oneof(
  fc.record({ verb: fc.constant('HELLO'), version: fc.integer({ min: 1, max: 255 }) }),
  fc.record({ verb: fc.constant('PROVE'), peerId: peerIds, server: servers, at: endpoints, signature: buffers }),
  fc.record({ verb: fc.constant('SEND'), id: ids, to: peerIds, message: buffers }),
  fc.record({ verb: fc.constant('ADVERTISE'), unl: unls }),
  fc.record({ verb: fc.constant('UNLS'), id: ids, count: counts }),
  fc.record({
    verb: fc.constant('JOIN'),
    id: ids,
    topic: topics,
    count: fc.integer({ min: 1, max: 16 }),
    unl: unls,
  }),
  fc.record({ verb: fc.constant('LEAVE'), topic: topics }),
  fc.record({ verb: fc.constantFrom('WITHDRAW', 'PING') }),
);

/** Every line from a server. */
const replies: fc.Arbitrary<Reply> = fc.oneof(
  fc.record({
    verb: fc.constant('NONCE'),
    nonce: peerIds,
    observed: fc.option(fc.record({ address: addresses, port: fc.option(ports, { nil: undefined }) }), {
      nil: undefined,
    }),
  }),
  fc.record({ verb: fc.constantFrom('SENT', 'ABSENT'), id: ids }),
  fc.record({ verb: fc.constant('MESSAGE'), from: peerIds, message: buffers, seenAt: addresses }),
  fc.record({
    verb: fc.constant('LISTED'),
    id: ids,
    nodes: fc.array(fc.record({ unl: unls, seenAt: fc.array(addresses, { minLength: 1, maxLength: 2 }) }), {
      maxLength: 100,
    }),
  }),
  fc.record({ verb: fc.constant('REFUSED'), code: fc.stringMatching(/^[a-z-]{1,64}$/), words: fc.string() }),
  fc.record({ verb: fc.constant('WELCOME'), httpPort: ports, serverId: fc.option(ids, { nil: undefined }) }),
  fc.record({ verb: fc.constant('WELCOME'), httpPort: fc.constant(undefined), serverId: fc.constant(undefined) }),
  fc.record({ verb: fc.constant('PONG') }),
);

/** Lines that are nearly right: words of the protocol, in any order. */
const nearly = fc
  .array(
    fc.oneof(
      fc.constantFrom('HELLO', 'PROVE', 'SEND', 'ADVERTISE', 'WITHDRAW', 'UNLS', 'JOIN', 'LEAVE', 'PING'),
      fc.constantFrom('NONCE', 'WELCOME', 'HTTP', 'ID', 'SENT', 'MESSAGE', 'LISTED', 'REFUSED', 'PONG'),
      fc.constantFrom(
        '',
        '0',
        '1',
        '65536',
        '10.0.0.1',
        '::1',
        '10.0.0.1:80',
        '[::1]:80',
        'A@10.0.0.1',
        '1.5',
        '-1',
        '1e3',
      ),
      ids,
      peerIds,
    ),
    { maxLength: 7 },
  )
  .map((words) => words.join(' '));
const garbage = fc.oneof(nearly, anyText(60));

const [alice, bob] = [peerIdOf(1), peerIdOf(2)];

describe('a line to the rendezvous server', () => {
  it('is read as it was written, every verb', () => {
    fc.assert(
      fc.property(requests, (request) => {
        throwUnless(parseRequest(formatRequest(request))).toEqual(request);
      }),
      { numRuns: 400 },
    );
  });

  it('is none when it is malformed', () => {
    const malformed = [
      '',
      ' PING',
      'PING ',
      'ping',
      'PING PING',
      'NODES EMPTY',
      'HELLO',
      'HELLO 0',
      'HELLO 1 1',
      'HELLO one',
      `PROVE ${alice}`,
      `PROVE ${alice} AAAA`,
      `PROVE ${alice} a:1 192.0.2.1:1 ***`,
      `PROVE ${alice} A:1 192.0.2.1:1 AAAA`,
      `PROVE ${alice} a:1 a:1 AAAA`,
      `PROVE ${alice.slice(1)} a:1 192.0.2.1:1 AAAA`,
      `SEND id ${bob}`,
      `SEND id/1 ${bob} AAAA`,
      `SEND ${'i'.repeat(33)} ${bob} AAAA`,
      `SEND id ${bob} AAAA AAAA`,
      `SEND id ${bob} ${Buffer.alloc(PARCEL_MAX_BYTES + 1).toString('base64url')}`,
      'ADVERTISE',
      'ADVERTISE not+a+unl',
      `ADVERTISE ${'A'.repeat(513)}`,
      'UNLS id',
      'UNLS id 0',
      'UNLS id 101',
      `JOIN id ${alice} 0 AAAA`,
      `JOIN id ${alice} 17 AAAA`,
      `JOIN id ${alice} 1`,
      `JOIN id ${alice} 1 AAAA AAAA`,
      `JOIN id ${alice} 1 ${'A'.repeat(513)}`,
      `JOIN id ${alice.slice(1)} 1 AAAA`,
      `JOIN id/1 ${alice} 1 AAAA`,
      'LEAVE',
      `LEAVE ${alice}A`,
      `LEAVE ${alice} ${alice}`,
    ];
    expect(malformed.filter((line) => parseRequest(line) !== undefined)).toEqual([]);
  });

  it('is one or none whatever comes, and never an exception', () => {
    fc.assert(
      fc.property(garbage, (line) => {
        const request = parseRequest(line);
        if (request !== undefined) throwUnless(parseRequest(formatRequest(request))).toEqual(request);
      }),
      { numRuns: 1000 },
    );
  });

  it('has room for the longest message', () => {
    const request: Request = { verb: 'SEND', id: 'i'.repeat(32), to: bob, message: Buffer.alloc(PARCEL_MAX_BYTES) };
    expect(formatRequest(request).length).toBeLessThanOrEqual(REQUEST_MAX_BYTES);
    expect(parseRequest(formatRequest(request))).toEqual(request);
  });
});

describe('a line from the rendezvous server', () => {
  it('is read as it was written, every verb', () => {
    fc.assert(
      fc.property(replies, (reply) => {
        throwUnless(parseReply(formatReply(reply))).toEqual(reply);
        throwUnless(isMessage(formatReply(reply))).toBe(reply.verb === 'MESSAGE');
      }),
      { numRuns: 400 },
    );
  });

  it('is none when it is malformed', () => {
    const malformed = [
      '',
      'PING',
      'WELCOME home',
      'WELCOME HTTP',
      'WELCOME HTTP 0',
      'WELCOME HTTP 80 81',
      'WELCOME HTTP 80 ID',
      'WELCOME HTTP 80 ID a/b',
      'WELCOME HTTP 80 id one',
      'WELCOME ID one',
      'WELCOME HTTP 80 ID one two',
      'NONCE AAAA 192.0.2.1:80',
      'NONCE',
      `NONCE ${alice} localhost`,
      `NONCE ${alice} localhost:80`,
      `NONCE ${alice} 192.0.2.1 80`,
      `NONCE ${alice} 192.0.2.1:0`,
      'SENT',
      'SENT a b',
      `MESSAGE ${alice}`,
      `MESSAGE me AAAA 192.0.2.1`,
      `MESSAGE ${alice} AAAA`,
      `MESSAGE ${alice} AAAA localhost`,
      'LISTED',
      'LISTED id ***',
      `LISTED id${' A@45.1.1.1'.repeat(101)}`,
      'LISTED id A',
      'LISTED id A@',
      'LISTED id A@45.1.1.1,',
      'LISTED id A@45.1.1.1,45.1.1.2,45.1.1.3',
      'LISTED id A@45.1.1.1@45.1.1.2',
      'REFUSED',
      'REFUSED Code',
    ];
    expect(malformed.filter((line) => parseReply(line) !== undefined)).toEqual([]);
  });

  it('is one or none whatever comes, and never an exception', () => {
    fc.assert(
      fc.property(garbage, (line) => {
        const reply = parseReply(line);
        if (reply !== undefined) throwUnless(parseReply(formatReply(reply))).toEqual(reply);
        if (isMessage(line)) throwUnless(reply?.verb).toBe('MESSAGE');
      }),
      { numRuns: 1000 },
    );
  });

  it('has room for a hundred of the longest locators, and for the longest message', () => {
    const listed: Reply = {
      verb: 'LISTED',
      id: 'i'.repeat(32),
      nodes: Array.from({ length: 100 }, () => ({
        unl: 'A'.repeat(512),
        seenAt: ['123.123.123.123', '2a00:1111:1111:1111:1111:1111:1111:1111'],
      })),
    };
    const message: Reply = {
      verb: 'MESSAGE',
      from: alice,
      message: Buffer.alloc(PARCEL_MAX_BYTES),
      seenAt: '192.0.2.1',
    };
    for (const reply of [listed, message]) {
      expect(formatReply(reply).length).toBeLessThanOrEqual(REPLY_MAX_BYTES);
      expect(parseReply(formatReply(reply))).toEqual(reply);
    }
  });
});

describe('what a node signs for a server', () => {
  it('differs with the nonce, the node, the server and the purpose', () => {
    const here = { server: 'a:1', at: { address: '192.0.2.1', port: 1 } };
    const there = { ...here, at: { address: '192.0.2.1', port: 2 } };
    const texts = [
      proofOf('n', alice, here),
      proofOf('m', alice, here),
      proofOf('n', bob, here),
      proofOf('n', alice, { ...here, server: 'b:1' }),
      proofOf('n', alice, there),
    ].map(String);
    expect(new Set(texts).size).toBe(5);
    expect(texts[0]).toBe(`rxp2p rendezvous 2 n ${alice} a:1 192.0.2.1:1`);
  });
});
