import fc from 'fast-check';
import {
  formatPyp2pReply,
  formatPyp2pRequest,
  parsePyp2pReply,
  parsePyp2pRequest,
  type Pyp2pReply,
  type Pyp2pRequest,
} from '../../../lib/pyp2p/wire/rendezvous-messages.js';
import { addresses, ports } from '../../support/locators.js';
import { anyText } from '../../support/any-text.js';

const someInbound = fc.integer({ min: 0, max: 1_000_000 });
const counts = fc.integer({ min: 1, max: 100 });
const predictions = fc.array(ports, { minLength: 1, maxLength: 64 });
const ntpTimes = fc.integer({ min: 0, max: 4_294_967_295_999 }).map((milliseconds) => milliseconds / 1000);

/** Every line to a server. */
const requests: fc.Arbitrary<Pyp2pRequest> = fc.oneof(
  fc.record({ verb: fc.constant('BOOTSTRAP'), count: counts }),
  fc.record({ verb: fc.constantFrom('PASSIVE', 'SIMULTANEOUS'), port: ports, maxInbound: someInbound }),
  fc.record({ verb: fc.constant('SOURCE'), port: fc.option(ports, { nil: undefined }) }),
  fc.record({ verb: fc.constant('CANDIDATE'), address: addresses, ports: predictions }),
  fc.record({ verb: fc.constant('ACCEPT'), address: addresses, ports: predictions, ntp: ntpTimes }),
  fc.record({ verb: fc.constantFrom('CLEAR', 'QUIT') }),
);

/** Every line from a server. */
const replies: fc.Arbitrary<Pyp2pReply> = fc.oneof(
  fc.record({
    verb: fc.constant('NODES'),
    nodes: fc.array(fc.record({ address: addresses, port: ports }), { maxLength: 100 }),
  }),
  fc.record({ verb: fc.constant('REMOTE'), port: ports }),
  fc.record({ verb: fc.constant('CHALLENGE'), address: addresses, ports: predictions }),
  fc.record({ verb: fc.constant('FIGHT'), address: addresses, ports: predictions, ntp: ntpTimes }),
  fc.record({ verb: fc.constantFrom('PREDICTION SET', 'RECONNECT') }),
);

/** Lines that are nearly right: words of the protocol, in any order. */
const nearly = fc
  .array(
    fc.constantFrom(
      ...['BOOTSTRAP', 'PASSIVE', 'READY', 'SOURCE', 'TCP', 'CANDIDATE', 'ACCEPT'],
      ...['NODES', 'EMPTY', 'REMOTE', 'PREDICTION', 'SET', 'CHALLENGE', 'FIGHT'],
      ...['', '0', '1', '65536', '10.0.0.1', '::1', 'p:10.0.0.1:80', 'p::1:80', '1.5', '-1', '1e3'],
    ),
    { maxLength: 7 },
  )
  .map((words) => words.join(' '));
const garbage = fc.oneof(nearly, anyText(60));

describe('a line of PyP2P’s to the rendezvous server', () => {
  it('is read as it was written, every verb', () => {
    fc.assert(
      fc.property(requests, (request) => {
        throwUnless(parsePyp2pRequest(formatPyp2pRequest(request))).toEqual(request);
      }),
      { numRuns: 400 },
    );
  });

  it('is spelled as PyP2P spells it', () => {
    const lines: readonly (readonly [string, Pyp2pRequest])[] = [
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
      expect(parsePyp2pRequest(line)).toEqual(request);
      expect(formatPyp2pRequest(request)).toBe(line);
    }
  });

  it('is none when it is malformed', () => {
    const malformed = [
      '',
      ' QUIT',
      'QUIT ',
      'quit',
      'QUIT QUIT',
      'NODES EMPTY',
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
    expect(malformed.filter((line) => parsePyp2pRequest(line) !== undefined)).toEqual([]);
  });

  it('is one or none whatever comes, and never an exception', () => {
    fc.assert(
      fc.property(garbage, (line) => {
        const request = parsePyp2pRequest(line);
        if (request !== undefined) throwUnless(parsePyp2pRequest(formatPyp2pRequest(request))).toEqual(request);
      }),
      { numRuns: 1000 },
    );
  });

  it('may name 64 ports', () => {
    const request: Pyp2pRequest = {
      verb: 'CANDIDATE',
      address: '192.0.2.1',
      ports: Array.from({ length: 64 }, () => 1),
    };
    expect(parsePyp2pRequest(formatPyp2pRequest(request))).toEqual(request);
  });
});

describe('a line of PyP2P’s from the rendezvous server', () => {
  it('is read as it was written, every verb', () => {
    fc.assert(
      fc.property(replies, (reply) => {
        throwUnless(parsePyp2pReply(formatPyp2pReply(reply))).toEqual(reply);
      }),
      { numRuns: 400 },
    );
  });

  it('is spelled as PyP2P spells it', () => {
    const nodes = [
      { address: '192.0.2.1', port: 50500 },
      { address: '198.51.100.2', port: 1 },
    ];
    const lines: readonly (readonly [string, Pyp2pReply])[] = [
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
      expect(parsePyp2pReply(line)).toEqual(reply);
      expect(formatPyp2pReply(reply)).toBe(line);
    }
  });

  it('is none when it is malformed', () => {
    const malformed = [
      '',
      'QUIT',
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
    expect(malformed.filter((line) => parsePyp2pReply(line) !== undefined)).toEqual([]);
  });

  it('is one or none whatever comes, and never an exception', () => {
    fc.assert(
      fc.property(garbage, (line) => {
        const reply = parsePyp2pReply(line);
        if (reply !== undefined) throwUnless(parsePyp2pReply(formatPyp2pReply(reply))).toEqual(reply);
      }),
      { numRuns: 1000 },
    );
  });

  it('may have a space behind its last node, as those of PyP2P’s servers do', () => {
    const nodes = [{ address: '192.0.2.1', port: 50500 }];
    expect(parsePyp2pReply('NODES p:192.0.2.1:50500 ')).toEqual({ verb: 'NODES', nodes });
    expect(parsePyp2pReply('NODES p:192.0.2.1:50500  ')).toBeUndefined();
  });

  it('may name a hundred nodes', () => {
    const nodes = Array.from({ length: 100 }, () => ({ address: '192.0.2.1', port: 1 }));
    expect(parsePyp2pReply(formatPyp2pReply({ verb: 'NODES', nodes }))).toEqual({ verb: 'NODES', nodes });
  });
});
