import { Entry } from '../../../lib/rooms/entry.js';
import { openRoomKeys } from '../../../lib/rooms/secret.js';
import { ReadMessage } from '../../../lib/rooms/wire/broadcast.js';
import { decodeWireMessage, encodeWireMessage, isEntry, type WireMessage } from '../../../lib/rooms/wire/messages.js';
import { ProtocolError } from '../../../lib/errors.js';
import { createIdentity } from '../../../lib/identity.js';
import { hereBy, memberOfRoom, signedBy } from '../../rooms/support.js';
import { expectThat, orFails, type Target } from '../target.js';

const [ALICE, BOB] = [createIdentity(), createIdentity()];
const MESSAGE = new ReadMessage(signedBy(BOB));

/** What neighbours say when all is well. */
const MESSAGES: readonly WireMessage[] = [
  { type: 'hello', version: 1, member: memberOfRoom(BOB.peerId) },
  { type: 'ask', version: 1, session: Buffer.alloc(16, 1), share: Buffer.alloc(32, 2) },
  { type: 'proof', version: 1, share: Buffer.alloc(32, 2), confirmation: Buffer.alloc(64, 3) },
  { type: 'confirm', confirmation: Buffer.alloc(64, 3) },
  { type: 'join' },
  { type: 'forward-join', ttl: 6, member: memberOfRoom() },
  { type: 'neighbour', priority: 'high' },
  { type: 'neighbour-answer', accepted: true, members: [memberOfRoom(), memberOfRoom()] },
  { type: 'disconnect', leaving: false },
  { type: 'shuffle', nonce: 7, ttl: 3, members: [memberOfRoom()] },
  { type: 'shuffle-answer', nonce: 7, members: [memberOfRoom()] },
  { type: 'gossip', round: 1, message: MESSAGE },
  { type: 'announce', announced: [{ id: MESSAGE.id, round: 2, length: 120 }] },
  { type: 'graft', isBranch: true, ids: [MESSAGE.id] },
  { type: 'prune' },
  { type: 'history', count: 10 },
  { type: 'past', left: 1, message: MESSAGE },
  { type: 'presence', messages: [hereBy(BOB)] },
];

const SEEDS = MESSAGES.map((message) => Buffer.from(encodeWireMessage(message)));

const read = (input: Buffer) => orFails([ProtocolError], () => decodeWireMessage(input));

/** What comes in a room. Nothing else is passed on than what was understood. */
const wire: Target = {
  name: 'room-messages',
  reaches: ['lib/rooms/wire/', 'lib/rooms/author/message'],
  seeds: SEEDS,
  run: (input) => {
    const message = read(input);
    if (message === undefined) return;
    const written = Buffer.from(encodeWireMessage(message));
    const again = Buffer.from(encodeWireMessage(decodeWireMessage(written) ?? { type: 'join' }));
    expectThat(again.equals(written), 'Expected the same message', input);
  },
};

/** Who enters: whatever a peer says, it is let in by its own hello alone. */
const entry: Target = {
  name: 'room-entry',
  reaches: ['lib/rooms/entry'],
  seeds: SEEDS,
  run: (input) => {
    const message = read(input);
    if (message === undefined || !isEntry(message)) return;
    const side = new Entry({
      isOpener: false,
      topic: openRoomKeys('chess').topic,
      own: ALICE.peerId,
      peer: BOB.peerId,
      self: () => memberOfRoom(ALICE.peerId),
      random: (bytes) => Buffer.alloc(bytes, 1),
    });
    const step = orFails([ProtocolError], () => side.take(message));
    expectThat(step?.member === undefined || step.member.id === BOB.peerId, 'Expected Bob or nobody', step);
  },
};

export const ROOM_WIRE_TARGETS: readonly Target[] = [wire, entry];
