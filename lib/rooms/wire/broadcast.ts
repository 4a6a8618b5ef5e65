import { ownBytes } from '../../bounds/own-bytes.js';
import { ProtocolError } from '../../errors.js';
import { KIND, readMessage, type SignedMessage } from '../author/message.js';
import {
  MAX_HISTORY,
  MAX_IDS,
  MAX_ROUND,
  type Announced,
  type BroadcastMessage,
  type Carried,
} from '../broadcast/messages.js';
import { isContent } from '../contents.js';
import { booleanIn, bytesIn, idBytes, idIn, integerIn, listIn } from './fields.js';

/** The first field of each. */
export const BROADCAST_KIND = { gossip: 32, announce: 33, graft: 34, prune: 35, history: 36, past: 37 } as const;

/** The length of a message is below this: what a channel carries is. */
const MAX_LENGTH = 2 ** 32 - 1;

/** The fields of a message, in their order. The id of a carried message is left out: it follows from the bytes, so that it always fits. */
export function broadcastFields(message: BroadcastMessage): readonly unknown[] {
  const kind = BROADCAST_KIND[message.type];
  switch (message.type) {
    case 'gossip':
      return [kind, message.round, message.message.bytes];
    case 'announce':
      return [kind, message.announced.map(({ id, round, length }) => [idBytes(id), round, length])];
    case 'graft':
      return [kind, message.isBranch, message.ids.map(idBytes)];
    case 'prune':
      return [kind];
    case 'history':
      return [kind, message.count];
    case 'past':
      return [kind, message.left, message.message?.bytes ?? null];
  }
}

/**
 * Reads the fields of a message.
 *
 * @returns `undefined` for a kind that is none of these.
 * @throws ProtocolError for fields that are not as they should be.
 */
export function readBroadcast(kind: unknown, fields: readonly unknown[]): BroadcastMessage | undefined {
  const [, first, second] = fields;
  switch (kind) {
    case BROADCAST_KIND.gossip:
      return { type: 'gossip', round: integerIn(first, 0, MAX_ROUND), message: carriedIn(second) };
    case BROADCAST_KIND.announce:
      return { type: 'announce', announced: listIn(first, MAX_IDS, announcedIn) };
    case BROADCAST_KIND.graft:
      return { type: 'graft', isBranch: booleanIn(first), ids: listIn(second, MAX_IDS, idIn) };
    case BROADCAST_KIND.prune:
      return { type: 'prune' };
    case BROADCAST_KIND.history:
      return { type: 'history', count: integerIn(first, 1, MAX_HISTORY) };
    case BROADCAST_KIND.past:
      return {
        type: 'past',
        left: integerIn(first, 0, MAX_HISTORY),
        message: second === null ? undefined : carriedIn(second),
      };
    default:
      return undefined;
  }
}

function announcedIn(value: unknown): Announced {
  const [id, round, length] = listIn(value, 3, (each) => each);
  return { id: idIn(id), round: integerIn(round, 0, MAX_ROUND), length: integerIn(length, 0, MAX_LENGTH) };
}

function carriedIn(value: unknown): ReadMessage {
  const message = new ReadMessage(bytesIn(value));
  // Its id is that of all others of its author: one would take the place of the next.
  if (message.signed.kind === KIND.here)
    throw new ProtocolError('Expected a message that is passed on, got a record of who is there');
  return message;
}

/** A carried message that has been read, so that it need not be read again. Its signature has not been checked. */
export class ReadMessage implements Carried {
  readonly bytes: Buffer;
  readonly signed: SignedMessage;
  #id: string | undefined;

  /** @throws ProtocolError for bytes that no author writes. */
  constructor(bytes: Buffer) {
    // It is kept, and what it came in may be far longer.
    this.bytes = ownBytes(bytes);
    this.signed = readMessage(this.bytes);
  }

  get id(): string {
    return (this.#id ??= this.signed.id);
  }

  /** A newcomer is given what the application has said, and not who was there. */
  get isKept(): boolean {
    return isContent(this.signed);
  }
}
