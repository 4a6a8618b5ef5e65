import { expectInteger, expectName, expectNames, invalidOption } from '../validate.js';
import { MAX_HISTORY } from './broadcast/messages.js';
import type { JoinOptions, RoomLimits } from './interface.js';

/** The name of a room has at most so many bytes of UTF-8. */
const NAME_MAX_BYTES = 256;

/** A secret has at most so many bytes of UTF-8. */
const SECRET_MAX_BYTES = 1_024;

/** So much shorter than a message of a channel is one of a room, in bytes: it has a header, and an envelope. */
export const MESSAGE_MARGIN_BYTES = 256;

export const DEFAULT_ROOM_LIMITS: RoomLimits = {
  messageBytes: 65_536,
  messagesPerSecond: 20,
  neighbourPerSecond: 1_000,
  members: 1_000,
};

/** Checked {@link JoinOptions}, with every default filled in. */
export interface ResolvedJoin {
  readonly name: string;
  readonly secret: string | undefined;
  readonly history: number;
  readonly activeView: number;
  readonly ordered: boolean;
  readonly validate: JoinOptions['validate'];
  readonly limits: RoomLimits;
}

/** A room whose secret is misspelt would be open to all. */
const NAMES: readonly (keyof JoinOptions)[] = ['secret', 'history', 'activeView', 'ordered', 'validate', 'limits'];

/**
 * Checks how a room is to be joined.
 *
 * @param mostBytes the longest message that a channel of this node takes.
 * @throws InvalidOptionError
 */
export function resolveJoin(name: string, options: JoinOptions, mostBytes: number): ResolvedJoin {
  expectNames('options', options, NAMES);
  const { secret, history = 0, activeView = 5, ordered = false, validate } = options;
  if (secret !== undefined && (typeof secret !== 'string' || secret === '' || !isShort(secret)))
    // What was given may be a part of a secret.
    throw invalidOption(
      'secret',
      `a text of 1 to ${SECRET_MAX_BYTES} bytes`,
      typeof secret === 'string' ? `${Buffer.byteLength(secret)} bytes` : typeof secret,
    );
  if (typeof ordered !== 'boolean') throw invalidOption('ordered', 'a boolean', ordered);
  if (validate !== undefined && typeof validate !== 'function') throw invalidOption('validate', 'a function', validate);
  return {
    name: expectName('name', name, NAME_MAX_BYTES),
    secret,
    history: expectInteger('history', history, 0, MAX_HISTORY),
    activeView: expectInteger('activeView', activeView, 2, 16),
    ordered,
    validate,
    limits: limitsOf(options.limits, mostBytes),
  };
}

function limitsOf(given: JoinOptions['limits'], mostBytes: number): RoomLimits {
  expectNames('limits', given, Object.keys(DEFAULT_ROOM_LIMITS));
  const limits = { ...DEFAULT_ROOM_LIMITS, ...given };
  expectInteger('limits.messageBytes', limits.messageBytes, 1, mostBytes);
  expectInteger('limits.messagesPerSecond', limits.messagesPerSecond, 1, 100_000);
  expectInteger('limits.neighbourPerSecond', limits.neighbourPerSecond, 1, 1_000_000);
  expectInteger('limits.members', limits.members, 2, 100_000);
  return limits;
}

function isShort(text: string): boolean {
  return text.isWellFormed() && Buffer.byteLength(text) <= SECRET_MAX_BYTES;
}
