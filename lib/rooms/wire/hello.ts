import { ProtocolError } from '../../errors.js';
import type { Member } from '../machine.js';
import { bytesIn, integerIn, memberIn } from './fields.js';

/** The version of the protocol that this program speaks. A peer with a later one speaks this one, too. */
export const ROOM_VERSION = 1;

/** Beyond this no version will go. */
const MAX_VERSION = 65_535;

/** How long the names of runs of CPace, its points and its confirmations are, in bytes. */
export const SESSION_BYTES = 16;
export const SHARE_BYTES = 32;
export const CONFIRMATION_BYTES = 64;

/** This node is in the room, and there. In a room with a secret it comes when the other side has proven that it knows it. */
export interface Hello {
  readonly type: 'hello';
  readonly version: number;
  readonly member: Member;
}

/** Begins a proof that both know the secret. From the side that has opened the channel. */
export interface Ask {
  readonly type: 'ask';
  readonly version: number;
  /** Names this run: random. */
  readonly session: Buffer;
  readonly share: Buffer;
}

/** The answer to it. */
export interface Proof {
  readonly type: 'proof';
  readonly version: number;
  readonly share: Buffer;
  /** That the answering side knows the secret. */
  readonly confirmation: Buffer;
}

/** That the asking side knows it, too. */
export interface Confirm {
  readonly type: 'confirm';
  readonly confirmation: Buffer;
}

/** What is said before two are neighbours. */
export type EntryMessage = Hello | Ask | Proof | Confirm;

/** The first field of each. */
export const ENTRY_KIND = { hello: 0, ask: 1, proof: 2, confirm: 3 } as const;

/** The fields of a message, in their order. */
export function entryFields(message: EntryMessage): readonly unknown[] {
  const kind = ENTRY_KIND[message.type];
  switch (message.type) {
    case 'hello':
      return [kind, message.version, message.member.unl];
    case 'ask':
      return [kind, message.version, message.session, message.share];
    case 'proof':
      return [kind, message.version, message.share, message.confirmation];
    case 'confirm':
      return [kind, message.confirmation];
  }
}

/**
 * Reads the fields of a message. More fields than are known belong to a later version.
 *
 * @returns `undefined` for a kind that is none of these.
 * @throws ProtocolError for fields that are not as they should be.
 */
export function readEntry(kind: unknown, fields: readonly unknown[]): EntryMessage | undefined {
  const [, first, second, third] = fields;
  switch (kind) {
    case ENTRY_KIND.hello:
      return { type: 'hello', version: versionIn(first), member: memberIn(second) };
    case ENTRY_KIND.ask:
      return {
        type: 'ask',
        version: versionIn(first),
        session: bytesIn(second, SESSION_BYTES),
        share: bytesIn(third, SHARE_BYTES),
      };
    case ENTRY_KIND.proof:
      return {
        type: 'proof',
        version: versionIn(first),
        share: bytesIn(second, SHARE_BYTES),
        confirmation: bytesIn(third, CONFIRMATION_BYTES),
      };
    case ENTRY_KIND.confirm:
      return { type: 'confirm', confirmation: bytesIn(first, CONFIRMATION_BYTES) };
    default:
      return undefined;
  }
}

function versionIn(value: unknown): number {
  const version = integerIn(value, 0, MAX_VERSION);
  if (version < ROOM_VERSION)
    throw new ProtocolError(`Expected version ${ROOM_VERSION} of rooms or a later one, got ${version}`);
  return version;
}
