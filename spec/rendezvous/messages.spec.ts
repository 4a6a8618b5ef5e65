import fc from 'fast-check';
import {
  formatReply,
  formatRequest,
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

const ids = fc.stringMatching(/^[A-Za-z0-9_-]{1,32}$/);
const unls = fc.stringMatching(/^[A-Za-z0-9_-]{1,80}$/);
const buffers = fc.uint8Array({ minLength: 1, maxLength: 80 }).map((bytes) => Buffer.from(bytes));
const servers = fc.stringMatching(/^[a-z0-9._-]{1,40}:[0-9]{1,5}$/);
const endpoints = fc.record({ address: addresses, port: ports });
const someInbound = fc.integer({ min: 0, max: 1_000_000 });
const counts = fc.integer({ min: 1, max: 100 });
const predictions = fc.array(ports, { minLength: 1, maxLength: 64 });
const ntpTimes = fc.integer({ min: 0, max: 4_294_967_295_999 }).map((milliseconds) => milliseconds / 1000);

/** Every line to a server. */
const requests: fc.Arbitrary<Request> = fc.oneof(
  fc.record({ verb: fc.constant('HELLO'), version: fc.integer({ min: 1, max: 255 }) }),
  fc.record({ verb: fc.constant('PROVE'), peerId: peerIds, server: servers, at: endpoints, signature: buffers }),
  fc.record({ verb: fc.constant('SEND'), id: ids, to: peerIds, message: buffers }),
  fc.record({ verb: fc.constant('ADVERTISE'), unl: unls }),
  fc.record({ verb: fc.constant('UNLS'), id: ids, count: counts }),
  fc.record({ verb: fc.constant('BOOTSTRAP'), count: counts }),
  fc.record({ verb: fc.constantFrom('PASSIVE', 'SIMULTANEOUS'), port: ports, maxInbound: someInbound }),
  fc.record({ verb: fc.constant('SOURCE'), port: fc.option(ports, { nil: undefined }) }),
  fc.record({ verb: fc.constant('CANDIDATE'), address: addresses, ports: predictions }),
  fc.record({ verb: fc.constant('ACCEPT'), address: addresses, ports: predictions, ntp: ntpTimes }),
  fc.record({ verb: fc.constantFrom('WITHDRAW', 'PING', 'CLEAR', 'QUIT') }),
);

/** Every line from a server. */
const replies: fc.Arbitrary<Reply> = fc.oneof(
  fc.record({
    verb: fc.constant('NONCE'),
    nonce: peerIds,
    observed: fc.record({ address: addresses, port: ports }),
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
  fc.record({
    verb: fc.constant('NODES'),
    nodes: fc.array(fc.record({ address: addresses, port: ports }), { maxLength: 100 }),
  }),
  fc.record({ verb: fc.constant('REMOTE'), port: ports }),
  fc.record({ verb: fc.constant('CHALLENGE'), address: addresses, ports: predictions }),
  fc.record({ verb: fc.constant('FIGHT'), address: addresses, ports: predictions, ntp: ntpTimes }),
  fc.record({ verb: fc.constant('WELCOME'), httpPort: ports, serverId: fc.option(ids, { nil: undefined }) }),
  fc.record({ verb: fc.constant('WELCOME'), httpPort: fc.constant(undefined), serverId: fc.constant(undefined) }),
  fc.record({ verb: fc.constantFrom('PONG', 'PREDICTION SET', 'RECONNECT') }),
);

/** Lines that are nearly right: words of the protocol, in any order. */
const nearly = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        'HELLO',
        'PROVE',
        'SEND',
        'UNLS',
        'BOOTSTRAP',
        'PASSIVE',
        'READY',
        'SOURCE',
        'TCP',
        'CANDIDATE',
        'ACCEPT',
      ),
      fc.constantFrom(
        'NONCE',
        'SENT',
        'MESSAGE',
        'LISTED',
        'REFUSED',
        'NODES',
        'EMPTY',
        'REMOTE',
        'PREDICTION',
        'SET',
        'FIGHT',
      ),
      fc.constantFrom(
        'CHALLENGE',
        '',
        '0',
        '1',
        '65536',
        '10.0.0.1',
        '::1',
        'p:10.0.0.1:80',
        'p::1:80',
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
const garbage = fc.oneof(nearly, fc.string({ unit: 'binary', maxLength: 60 }));

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

  it('is spelled as PyP2P spells it', () => {
    const lines: readonly (readonly [string, Request])[] = [
      ['BOOTSTRAP 100', { verb: 'BOOTSTRAP', count: 100 }],
      ['PASSIVE READY 50500 10', { verb: 'PASSIVE', port: 50500, maxInbound: 10 }],
      ['SIMULTANEOUS READY 0 0', { verb: 'SIMULTANEOUS', port: 0, maxInbound: 0 }],
      ['SIMULTANEOUS READY 50500 0', { verb: 'SIMULTANEOUS', port: 50500, maxInbound: 0 }],
      ['SOURCE TCP 50500', { verb: 'SOURCE', port: 50500 }],
      ['SOURCE TCP', { verb: 'SOURCE', port: undefined }],
      ['CANDIDATE 192.0.2.1 TCP 1 2 3 4', { verb: 'CANDIDATE', address: '192.0.2.1', ports: [1, 2, 3, 4] }],
      [
        'ACCEPT 192.0.2.1 1 2 TCP 3900000000.25',
        { verb: 'ACCEPT', address: '192.0.2.1', ports: [1, 2], ntp: 3900000000.25 },
      ],
      ['CLEAR', { verb: 'CLEAR' }],
      ['QUIT', { verb: 'QUIT' }],
    ];
    for (const [line, request] of lines) {
      expect(parseRequest(line)).toEqual(request);
      expect(formatRequest(request)).toBe(line);
    }
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
      'BOOTSTRAP',
      'BOOTSTRAP 0',
      'BOOTSTRAP 101',
      'BOOTSTRAP 1.5',
      'BOOTSTRAP -1',
      'BOOTSTRAP 0x10',
      'PASSIVE 50500 10',
      'PASSIVE SET 50500 10',
      'PASSIVE READY 50500 10 10',
      'PASSIVE READY 0 10',
      'PASSIVE READY 65536 10',
      'SIMULTANEOUS READY 65536 10',
      'PASSIVE READY 50500',
      'PASSIVE READY 50500 1000001',
      'SOURCE',
      'SOURCE UDP 1',
      'SOURCE TCP 0',
      'SOURCE TCP 1 2',
      'CANDIDATE 192.0.2.1 TCP',
      'CANDIDATE localhost TCP 1',
      'CANDIDATE 192.0.2.1 UDP 1',
      'CANDIDATE 192.0.2.1 TCP 1 0',
      `CANDIDATE 192.0.2.1 TCP${' 1'.repeat(65)}`,
      'ACCEPT 192.0.2.1 1 UDP 1',
      'ACCEPT localhost 1 TCP 1',
      'ACCEPT 192.0.2.1 1 TCP',
      'ACCEPT 192.0.2.1 TCP 1',
      'ACCEPT 192.0.2.1 1 TCP now',
      'ACCEPT 192.0.2.1 1 TCP 1e9',
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

  it('may name 64 ports', () => {
    const request: Request = { verb: 'CANDIDATE', address: '192.0.2.1', ports: Array.from({ length: 64 }, () => 1) };
    expect(parseRequest(formatRequest(request))).toEqual(request);
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
      }),
      { numRuns: 400 },
    );
  });

  it('is spelled as PyP2P spells it', () => {
    const nodes = [
      { address: '192.0.2.1', port: 50500 },
      { address: '198.51.100.2', port: 1 },
    ];
    const lines: readonly (readonly [string, Reply])[] = [
      ['NODES p:192.0.2.1:50500 p:198.51.100.2:1', { verb: 'NODES', nodes }],
      ['NODES EMPTY', { verb: 'NODES', nodes: [] }],
      ['REMOTE TCP 50500', { verb: 'REMOTE', port: 50500 }],
      ['PREDICTION SET', { verb: 'PREDICTION SET' }],
      ['CHALLENGE 192.0.2.1 1 2 3 4 TCP', { verb: 'CHALLENGE', address: '192.0.2.1', ports: [1, 2, 3, 4] }],
      [
        'FIGHT 192.0.2.1 1 2 TCP 3900000000.25',
        { verb: 'FIGHT', address: '192.0.2.1', ports: [1, 2], ntp: 3900000000.25 },
      ],
      ['RECONNECT', { verb: 'RECONNECT' }],
    ];
    for (const [line, reply] of lines) {
      expect(parseReply(line)).toEqual(reply);
      expect(formatReply(reply)).toBe(line);
    }
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
      `NONCE ${alice}`,
      `NONCE ${alice} localhost:80`,
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
      'NODES',
      'NODES EMPTY EMPTY',
      'NODES p:192.0.2.1',
      'NODES p:192.0.2.1:0',
      'NODES a:192.0.2.1:1',
      'NODES p:192.0.2.1:1 p:localhost:1',
      `NODES${' p:192.0.2.1:1'.repeat(101)}`,
      'REMOTE TCP',
      'REMOTE UDP 1',
      'REMOTE TCP 65536',
      'PREDICTION',
      'PREDICTION SET SET',
      'CHALLENGE 192.0.2.1 1 UDP',
      'CHALLENGE localhost 1 TCP',
      'CHALLENGE 192.0.2.1 TCP',
      'CHALLENGE 192.0.2.1 1',
      'FIGHT 192.0.2.1 1 UDP 1',
      'FIGHT 192.0.2.1 1 TCP',
    ];
    expect(malformed.filter((line) => parseReply(line) !== undefined)).toEqual([]);
  });

  it('is one or none whatever comes, and never an exception', () => {
    fc.assert(
      fc.property(garbage, (line) => {
        const reply = parseReply(line);
        if (reply !== undefined) throwUnless(parseReply(formatReply(reply))).toEqual(reply);
      }),
      { numRuns: 1000 },
    );
  });

  it('may have a space behind its last node, as those of PyP2P’s servers do', () => {
    const nodes = [{ address: '192.0.2.1', port: 50500 }];
    expect(parseReply('NODES p:192.0.2.1:50500 ')).toEqual({ verb: 'NODES', nodes });
    expect(parseReply('NODES p:192.0.2.1:50500  ')).toBeUndefined();
  });

  it('may name a hundred nodes', () => {
    const nodes = Array.from({ length: 100 }, () => ({ address: '192.0.2.1', port: 1 }));
    expect(parseReply(formatReply({ verb: 'NODES', nodes }))).toEqual({ verb: 'NODES', nodes });
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
