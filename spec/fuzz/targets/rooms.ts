import {
  createGossip,
  type Gossip,
  type GossipInput,
  type GossipMessage,
  type GossipOutput,
} from '../../../lib/rooms/gossip.js';
import type { Verdict } from '../../../lib/rooms/broadcast/interface.js';
import { MAX_IDS, MAX_PUSHED_BYTES } from '../../../lib/rooms/broadcast/messages.js';
import type { Member } from '../../../lib/rooms/machine.js';
import { MAX_MEMBERS } from '../../../lib/rooms/overlay/messages.js';
import type { Chance } from '../chance.js';
import { expectThat, type Target } from '../target.js';

/** The bounds of the machines: five neighbours and three more, and thirty others. */
const MOST_NEIGHBOURS = 8;
const MOST_KNOWN = 30;
/** One input has the machines do so much at most: they answer, pass on, ask and look around, but nothing without end. */
const MOST_OUTPUTS = 400;
/** Peers that speak, and messages that are named: few, so that they meet again. */
const PEERS = 16;
const NAMES = 32;

/** Reads numbers off bytes, and zeros after their end. */
class Reader {
  #at = 0;

  constructor(readonly bytes: Buffer) {}

  get hasMore(): boolean {
    return this.#at < this.bytes.length;
  }

  next(below: number): number {
    return (this.bytes[this.#at++] ?? 0) % below;
  }

  list<T>(most: number, read: () => T): T[] {
    return Array.from({ length: this.next(most + 1) }, read);
  }
}

function memberOf(reader: Reader): Member {
  return { id: `p${reader.next(PEERS * 4)}`, unl: `unl ${reader.next(4)}`, dialable: reader.next(2) === 0 };
}

function messageOf(reader: Reader): GossipMessage {
  const member = () => memberOf(reader);
  const carried = () => ({
    id: `m${reader.next(NAMES)}`,
    bytes: new Uint8Array(reader.next(64) === 0 ? MAX_PUSHED_BYTES + 1 : reader.next(64)),
    isKept: reader.next(2) === 0,
  });
  switch (reader.next(13)) {
    case 0:
      return { type: 'join' };
    case 1:
      return { type: 'forward-join', member: member(), ttl: reader.next(7) };
    case 2:
      return { type: 'neighbour', priority: reader.next(2) === 0 ? 'high' : 'low' };
    case 3:
      return { type: 'neighbour-answer', accepted: reader.next(2) === 0, members: reader.list(MAX_MEMBERS, member) };
    case 4:
      return { type: 'disconnect', leaving: reader.next(2) === 0 };
    case 5:
      return { type: 'shuffle', nonce: reader.next(8), ttl: reader.next(7), members: reader.list(MAX_MEMBERS, member) };
    case 6:
      return { type: 'shuffle-answer', nonce: reader.next(8), members: reader.list(MAX_MEMBERS, member) };
    case 7:
      return { type: 'prune' };
    case 8:
      return { type: 'history', count: 1 + reader.next(64) };
    case 9:
      return { type: 'past', message: reader.next(8) === 0 ? undefined : carried(), left: reader.next(64) };
    case 10:
      return {
        type: 'graft',
        ids: reader.list(MAX_IDS, () => `m${reader.next(NAMES)}`),
        isBranch: reader.next(2) === 0,
      };
    case 11:
      return {
        type: 'announce',
        announced: reader.list(MAX_IDS, () => ({
          id: `m${reader.next(NAMES)}.${reader.next(256)}`,
          round: reader.next(256),
          length: reader.next(256) * 1_024,
        })),
      };
    default:
      return { type: 'gossip', message: carried(), round: reader.next(256) };
  }
}

function inputOf(reader: Reader): GossipInput {
  const id = `p${reader.next(PEERS)}`;
  switch (reader.next(12)) {
    case 0:
    case 1:
      return { type: 'opened', member: { id, unl: 'unl', dialable: reader.next(2) === 0 } };
    case 2:
      return { type: 'closed', id };
    case 3:
      return { type: 'failed', id };
    case 4:
      return { type: 'found', members: reader.list(MAX_MEMBERS, () => memberOf(reader)) };
    case 5:
      return { type: 'wake' };
    case 6:
      return { type: 'publish', message: { id: `own ${reader.next(256)}`, bytes: new Uint8Array(8), isKept: true } };
    default:
      return { type: 'received', from: id, message: messageOf(reader) };
  }
}

const VERDICTS: readonly Verdict[] = ['accept', 'accept', 'accept', 'ignore', 'refuse', 'reject'];

/** Both machines of a room, and what is known of them from outside. */
class FuzzedRoom {
  readonly #gossip: Gossip;
  readonly #open = new Set<string>();
  readonly #neighbours = new Set<string>();
  #now = 0;

  constructor(chance: Chance) {
    const random = chance.next;
    this.#gossip = createGossip({ self: { id: 'me', unl: 'unl', dialable: true }, random, options: { history: 8 } });
  }

  take(bytes: Buffer): void {
    const reader = new Reader(bytes);
    let outputs = 0;
    while (reader.hasMore) {
      this.#now += [0, 0, 1, 20, 500, 3_000, 20_000, 100_000][reader.next(8)] ?? 0;
      const input = inputOf(reader);
      if (input.type === 'opened') this.#open.add(input.member.id);
      if (input.type === 'closed') this.#open.delete(input.id);
      let count = this.#perform(this.#gossip.handle(input, this.#now), reader);
      if ((this.#gossip.wakeAt ?? Infinity) <= this.#now)
        count += this.#perform(this.#gossip.handle({ type: 'wake' }, this.#now), reader);
      expectThat(count <= MOST_OUTPUTS, 'Expected a bounded answer', count, input);
      outputs += count;
    }
    const { neighbours, known } = this.#gossip;
    expectThat(neighbours.length <= MOST_NEIGHBOURS, 'Expected few neighbours', neighbours);
    expectThat(known.length <= MOST_KNOWN, 'Expected few others', known);
    expectThat(neighbours.length === this.#neighbours.size, 'Expected the neighbours that were told of', neighbours);
    expectThat((this.#gossip.wakeAt ?? Infinity) > this.#now || outputs === 0, 'Expected nothing to be due', this.#now);
  }

  /** Does what is wanted in its order; what a verdict leads to comes behind. Returns how much it was. */
  #perform(outputs: readonly GossipOutput[], reader: Reader): number {
    const all = [...outputs];
    for (const output of all) {
      switch (output.type) {
        case 'send':
          expectThat(this.#open.has(output.to), 'Expected an open channel', output);
          break;
        case 'dial':
          expectThat(!this.#open.has(output.member.id), 'Expected nobody who is there', output);
          break;
        case 'close':
          this.#open.delete(output.id);
          break;
        case 'up':
          this.#neighbours.add(output.id);
          break;
        case 'down':
          this.#neighbours.delete(output.id);
          break;
        case 'check': {
          const { from, message } = output;
          const verdict = VERDICTS[reader.next(VERDICTS.length)] ?? 'accept';
          all.push(...this.#gossip.handle({ type: 'checked', id: message.id, from, verdict }, this.#now));
          break;
        }
        case 'deliver':
          break;
      }
    }
    return all.length;
  }
}

let room: FuzzedRoom | undefined;

const gossip: Target = {
  name: 'rooms',
  reaches: ['lib/rooms/gossip', 'lib/rooms/overlay/', 'lib/rooms/broadcast/'],
  seeds: [
    // Bytes are read as what happens, so that any are valid. Here three peers come, and two of them become neighbours.
    Buffer.of(0, 1, 0, 0, 0, 2, 0, 1, 0, 3, 1, 0, 0, 1, 7, 2, 0, 0, 2, 7, 2, 1, 1, 1, 7, 12, 5, 9, 1, 1),
    Buffer.of(0, 1, 0, 0, 0, 1, 7, 2, 0, 0, 1, 7, 11, 3, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 0, 5, 4, 0, 5, 4, 0, 5),
    Buffer.from(Array.from({ length: 256 }, (_, i) => (i * 167 + 13) % 256)),
    Buffer.from(Array.from({ length: 512 }, (_, i) => (i * i * 31 + 7) % 256)),
  ],
  run: (input, chance) => {
    // Now and then a new one, since a room that nobody leaves is soon in one state.
    if (room === undefined || chance.below(500) === 0) room = new FuzzedRoom(chance);
    room.take(input);
  },
};

export const ROOM_TARGETS: readonly Target[] = [gossip];
