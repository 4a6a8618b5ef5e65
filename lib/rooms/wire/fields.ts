import { ProtocolError } from '../../errors.js';
import { formatUnl, parseUnl, UNL_MAX_LENGTH } from '../../unl.js';
import type { Unl } from '../../unl/types.js';
import { ID_BYTES } from '../author/message.js';
import type { Member } from '../machine.js';

/** Expects the fields of a message of neighbours, each of its kind. Everything that comes from outside goes through here. */

/** Makes the error for a field: its message does not quote what a stranger has sent. */
function unexpected(expected: string): ProtocolError {
  return new ProtocolError(`Expected a message of a room to have ${expected}`);
}

export function integerIn(value: unknown, least: number, most: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
  throw unexpected(`an integer from ${least} to ${most}`);
}

export function booleanIn(value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw unexpected('a boolean');
}

/** @param length the bytes that there have to be. Default: any number. */
export function bytesIn(value: unknown, length?: number): Buffer {
  if (value instanceof Uint8Array && (length === undefined || value.length === length))
    return Buffer.from(value.buffer, value.byteOffset, value.length);
  throw unexpected(length === undefined ? 'bytes' : `${length} bytes`);
}

export function listIn<T>(value: unknown, most: number, read: (each: unknown) => T): readonly T[] {
  if (Array.isArray(value) && value.length <= most) return value.map((each: unknown) => read(each));
  throw unexpected(`a list of at most ${most}`);
}

export function idIn(value: unknown): string {
  return bytesIn(value, ID_BYTES).toString('base64url');
}

export function idBytes(id: string): Buffer {
  return Buffer.from(id, 'base64url');
}

/** A member is named by its locator. */
export function memberIn(value: unknown): Member {
  if (typeof value !== 'string' || value.length > UNL_MAX_LENGTH) throw unexpected('a locator');
  let unl: Unl;
  try {
    unl = parseUnl(value);
  } catch {
    throw unexpected('a locator');
  }
  return memberOf(unl, value.trim());
}

/**
 * The member that a locator is of.
 *
 * @param text the locator as {@link formatUnl} writes it.
 * @throws ProtocolError for PyP2P's, which have no key.
 */
export function memberOf(unl: Unl, text?: string): Member {
  if (unl.version !== 3) throw unexpected('a locator with a key');
  return { id: unl.peerId, unl: text ?? formatUnl(unl), dialable: unl.nodeType === 'passive' };
}
