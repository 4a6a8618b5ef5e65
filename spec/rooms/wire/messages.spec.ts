import { encode } from '@msgpack/msgpack';
import fc from 'fast-check';
import { createIdentity } from '../../../lib/identity.js';
import { HEADER_BYTES } from '../../../lib/rooms/author/message.js';
import {
  decodeWireMessage,
  encodeWireMessage,
  isBroadcast,
  isEntry,
  isOverlay,
  MAX_PRESENCE,
  presencesOf,
  type WireMessage,
} from '../../../lib/rooms/wire/messages.js';
import { MAX_IDS } from '../../../lib/rooms/broadcast/messages.js';
import { ReadMessage } from '../../../lib/rooms/wire/broadcast.js';
import { MAX_MEMBERS } from '../../../lib/rooms/overlay/messages.js';
import { formatUnl } from '../../../lib/unl.js';
import { unlOfVersion2 } from '../../support/locators.js';
import { hereBy, memberOfRoom, signedBy } from '../support.js';

describe('What neighbours of a room say', () => {
  const alice = createIdentity();
  const member = memberOfRoom(alice.peerId);
  const bytes = signedBy(alice);
  const record = hereBy(alice);
  const message = new ReadMessage(bytes);
  const members = Array.from({ length: MAX_MEMBERS }, () => memberOfRoom());
  const each = Buffer.alloc(32, 1);

  const messages: readonly WireMessage[] = [
    { type: 'hello', version: 1, member },
    { type: 'ask', version: 1, session: Buffer.alloc(16, 2), share: each },
    { type: 'proof', version: 1, share: each, confirmation: Buffer.alloc(64, 3) },
    { type: 'confirm', confirmation: Buffer.alloc(64, 3) },
    { type: 'join' },
    { type: 'forward-join', ttl: 6, member },
    { type: 'neighbour', priority: 'high' },
    { type: 'neighbour', priority: 'low' },
    { type: 'neighbour-answer', accepted: false, members },
    { type: 'disconnect', leaving: true },
    { type: 'shuffle', nonce: 2 ** 32 - 1, ttl: 0, members },
    { type: 'shuffle-answer', nonce: 0, members: [] },
    { type: 'gossip', round: 255, message },
    { type: 'announce', announced: [{ id: message.id, round: 2, length: 100_000 }] },
    { type: 'graft', isBranch: true, ids: [message.id] },
    { type: 'prune' },
    { type: 'history', count: 64 },
    { type: 'past', left: 3, message },
    { type: 'past', left: 0, message: undefined },
    { type: 'presence', messages: [record, record] },
  ];

  it('is read as it was written', () => {
    for (const said of messages) {
      const read = decodeWireMessage(encodeWireMessage(said));
      expect(read).withContext(said.type).toEqual(said);
      const kinds = [isBroadcast(said), isEntry(said), isOverlay(said), said.type === 'presence'];
      expect(kinds.filter(Boolean).length).withContext(said.type).toBe(1);
    }
  });

  it('is passed over when it is of a later version, and what a later version adds to it, too', () => {
    expect(decodeWireMessage(encode([99, 'later']))).toBeUndefined();
    expect(decodeWireMessage(encode([35, 'later', {}]))).toEqual({ type: 'prune' });
    expect(decodeWireMessage(encode([0, 7, member.unl]))).toEqual({ type: 'hello', version: 7, member });
  });

  it('keeps no more in memory than what is read of it, whatever else came with it', () => {
    const padding = Buffer.alloc(100_000);
    const gossip = decodeWireMessage(encode([32, 1, bytes, padding]));
    const presence = decodeWireMessage(encode([48, [record], padding]));
    if (gossip?.type !== 'gossip' || presence?.type !== 'presence') throw new Error('Expected both messages');
    const kept = [gossip.message.bytes, ...presence.messages];
    expect(kept.map(({ buffer }) => buffer.byteLength <= 2 * bytes.length)).toEqual([true, true]);
    expect(kept).toEqual([bytes, record]);
  });

  it('divides records among messages that are no longer than they may be', () => {
    const record = hereBy(alice, { payload: Buffer.alloc(64) });
    const records = Array<Buffer>(2 * MAX_PRESENCE + 1).fill(record);
    const counts = (most: number) => presencesOf(records, most).map(({ messages }) => messages.length);
    expect(counts(1_000_000)).toEqual([MAX_PRESENCE, MAX_PRESENCE, 1]);
    expect(counts(2_000)).toEqual([...Array<number>(12).fill(10), 9]);
    expect(counts(1).length).toBe(records.length);
    const [full] = presencesOf(records, 2_000);
    expect(full === undefined ? NaN : encodeWireMessage(full).length).toBeLessThan(2_000 + HEADER_BYTES);
    expect(presencesOf([], 2_000)).toEqual([]);
  });

  it('is refused when a field is out of its bounds', () => {
    const id = Buffer.alloc(16);
    const wrong: readonly unknown[] = [
      [0, 0, member.unl],
      [0, 1, 'no locator'],
      [0, 1, 'x'.repeat(513)],
      [0, 1, formatUnl(unlOfVersion2())],
      [1, 1, Buffer.alloc(15), each],
      [1, 1, Buffer.alloc(16), Buffer.alloc(31)],
      [3, 'text'],
      [17, 7, member.unl],
      [18, 2],
      [19, 1, []],
      [20, null],
      [21, 0, 0, Array(MAX_MEMBERS + 1).fill(member.unl)],
      [21, 2 ** 32, 0, []],
      [21, 0.5, 0, []],
      [22, 0, [1]],
      [32, 256, bytes],
      [32, -1, bytes],
      [32, 1, bytes.subarray(0, 100)],
      [32, 1],
      [33, Array(MAX_IDS + 1).fill([id, 1, 1])],
      [33, [[id, 1]]],
      [33, [[id.subarray(1), 1, 1]]],
      [33, [[id, 1, -1]]],
      [34, true, Array(MAX_IDS + 1).fill(id)],
      [34, 1, []],
      [36, 0],
      [36, 65],
      // What is shown is not passed on, and the other way about.
      [32, 1, record],
      [37, 0, record],
      [48, [bytes]],
      [48, Array(MAX_PRESENCE + 1).fill(record)],
      [48, [id]],
      [48, [hereBy(alice, { payload: Buffer.alloc(65) })]],
      ['32', 1, bytes],
      [],
      {},
      'text',
    ];
    for (const fields of wrong)
      expect(() => decodeWireMessage(encode(fields)))
        .withContext(JSON.stringify(fields).slice(0, 80))
        .toThrowError();
  });

  it('is refused or read, whatever bytes come', () => {
    const isRead = (some: Uint8Array) => {
      try {
        decodeWireMessage(some);
      } catch (error) {
        expect(error instanceof Error && 'code' in error && error.code).toBe('PROTOCOL');
      }
    };
    fc.assert(fc.property(fc.uint8Array(), isRead));
    const valid = messages.map(encodeWireMessage);
    const changed = fc.tuple(fc.constantFrom(...valid), fc.nat(), fc.nat({ max: 255 })).map(([some, at, byte]) => {
      const copy = Uint8Array.from(some);
      copy[at % copy.length] = byte;
      return copy;
    });
    fc.assert(fc.property(changed, isRead), { numRuns: 2_000 });
  });
});
