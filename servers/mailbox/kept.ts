import { ownText } from '../../lib/bounds/own-text.js';
import { canonicalAddress } from '../../lib/endpoint.js';
import { parseJsonObject } from '../../lib/validate.js';

/** A message that is kept for somebody. */
export interface Kept {
  readonly to: string;
  readonly from: string;
  /** Unique for its sender and receiver. */
  readonly id: string;
  /** Bytes as text. */
  readonly message: string;
  /** The address from which it came. */
  readonly seenAt: string;
  /** The secret that acknowledges it. */
  readonly receipt: string;
  /** By the server's clock, in milliseconds since the epoch, as all times here. */
  readonly arrived: number;
  readonly expires: number;
}

/** The same for one message of one sender to one receiver, however often it comes. */
export function keptIdOf({ from, to, id }: Kept): string {
  return `${from}\n${to}\n${id}`;
}

/** The size that a message is counted for, in bytes, with a fixed overhead, so that many small messages are not free. */
export function sizeOf(message: string): number {
  return message.length + 256;
}

/** The same message of texts of its own: each may be a part of a request, which it would keep in memory. */
export function ownKept({ to, from, id, message, seenAt, receipt, arrived, expires }: Kept): Kept {
  return {
    to: ownText(to),
    from: ownText(from),
    id: ownText(id),
    message: ownText(message),
    seenAt: ownText(seenAt),
    receipt,
    arrived,
    expires,
  };
}

/** As a message is stored. */
export function formatKept({ to, from, id, message, seenAt, receipt, arrived, expires }: Kept): string {
  return JSON.stringify({ to, from, id, message, seenAt, receipt, arrived, expires });
}

/** Reads a message out of the store: `undefined` when this is none. */
export function parseKept(value: string): Kept | undefined {
  const { to, from, id, message, seenAt, receipt, arrived, expires } = parseJsonObject(value) ?? {};
  if (typeof to !== 'string' || typeof from !== 'string' || typeof id !== 'string') return undefined;
  if (typeof message !== 'string' || typeof receipt !== 'string') return undefined;
  if (typeof seenAt !== 'string' || canonicalAddress(seenAt) !== seenAt) return undefined;
  if (typeof arrived !== 'number' || typeof expires !== 'number') return undefined;
  return { to, from, id, message, seenAt, receipt, arrived, expires };
}
