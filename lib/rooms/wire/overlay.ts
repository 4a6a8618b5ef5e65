import { ProtocolError } from '../../errors.js';
import type { Member } from '../machine.js';
import { MAX_MEMBERS, MAX_TTL, NONCES, type OverlayMessage } from '../overlay/messages.js';
import { booleanIn, integerIn, listIn, memberIn } from './fields.js';

/** The first field of each. */
export const OVERLAY_KIND = {
  join: 16,
  'forward-join': 17,
  neighbour: 18,
  'neighbour-answer': 19,
  disconnect: 20,
  shuffle: 21,
  'shuffle-answer': 22,
} as const;

const PRIORITIES = ['low', 'high'] as const;

/** The fields of a message, in their order. */
export function overlayFields(message: OverlayMessage): readonly unknown[] {
  const kind = OVERLAY_KIND[message.type];
  switch (message.type) {
    case 'join':
      return [kind];
    case 'forward-join':
      return [kind, message.ttl, message.member.unl];
    case 'neighbour':
      return [kind, PRIORITIES.indexOf(message.priority)];
    case 'neighbour-answer':
      return [kind, message.accepted, unlsOf(message.members)];
    case 'disconnect':
      return [kind, message.leaving];
    case 'shuffle':
      return [kind, message.nonce, message.ttl, unlsOf(message.members)];
    case 'shuffle-answer':
      return [kind, message.nonce, unlsOf(message.members)];
  }
}

/**
 * Reads the fields of a message.
 *
 * @returns `undefined` for a kind that is none of these.
 * @throws ProtocolError for fields that are not as they should be.
 */
export function readOverlay(kind: unknown, fields: readonly unknown[]): OverlayMessage | undefined {
  const [, first, second, third] = fields;
  switch (kind) {
    case OVERLAY_KIND.join:
      return { type: 'join' };
    case OVERLAY_KIND['forward-join']:
      return { type: 'forward-join', ttl: integerIn(first, 0, MAX_TTL), member: memberIn(second) };
    case OVERLAY_KIND.neighbour:
      return { type: 'neighbour', priority: priorityIn(first) };
    case OVERLAY_KIND['neighbour-answer']:
      return { type: 'neighbour-answer', accepted: booleanIn(first), members: membersIn(second) };
    case OVERLAY_KIND.disconnect:
      return { type: 'disconnect', leaving: booleanIn(first) };
    case OVERLAY_KIND.shuffle:
      return {
        type: 'shuffle',
        nonce: integerIn(first, 0, NONCES - 1),
        ttl: integerIn(second, 0, MAX_TTL),
        members: membersIn(third),
      };
    case OVERLAY_KIND['shuffle-answer']:
      return { type: 'shuffle-answer', nonce: integerIn(first, 0, NONCES - 1), members: membersIn(second) };
    default:
      return undefined;
  }
}

function unlsOf(members: readonly Member[]): readonly string[] {
  return members.map(({ unl }) => unl);
}

function membersIn(value: unknown): readonly Member[] {
  return listIn(value, MAX_MEMBERS, memberIn);
}

function priorityIn(value: unknown): 'high' | 'low' {
  const priority = PRIORITIES[integerIn(value, 0, 1)];
  if (priority === undefined) throw new ProtocolError('Expected a priority');
  return priority;
}
