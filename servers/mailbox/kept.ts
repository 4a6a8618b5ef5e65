import { canonicalAddress } from '../../lib/endpoint.js';
import { isMailboxName } from '../../lib/signalling/carriers/mailbox-messages.js';
import { isTime } from '../../lib/validate.js';

/** How many lines are stored of a message, … */
const LINES = 8;

/** … and how many characters at most: no request has as many. */
const MAX_LENGTH = 49_152;

/** A message that is kept for somebody. Nothing in it has a line break. */
export interface Kept {
  readonly to: string;
  readonly from: string;
  /** Unique for its sender and receiver. */
  readonly id: string;
  /** Bytes in base64url, or in hexadecimal from PyP2P. */
  readonly message: string;
  /** The address from which it came. */
  readonly seenAt: string;
  /** The secret that acknowledges it. */
  readonly receipt: string;
  /** By the server's clock, in milliseconds since the epoch, as all times here. */
  readonly arrived: number;
  readonly expires: number;
}

/** The size that a message is counted for, in bytes, with a fixed overhead, so that many small messages are not free. */
export function sizeOf(message: string): number {
  return message.length + 256;
}

/** As a message is stored: one thing a line. */
export function formatKept({ to, from, id, message, seenAt, receipt, arrived, expires }: Kept): string {
  return [to, from, id, seenAt, receipt, arrived, expires, message].join('\n');
}

/**
 * What is the same for one message, however often it comes, and for no other to the same receiver: a part of the text that is stored of it.
 *
 * @param text of {@link formatKept}.
 */
export function keptIdIn(text: string, { to, from, id }: Kept): string {
  const start = to.length + 1;
  return text.slice(start, start + from.length + 1 + id.length);
}

/** The receipt of a message: a part of the text that is stored of it, too. */
export function receiptIn(text: string, { to, from, id, seenAt, receipt }: Kept): string {
  const start = to.length + from.length + id.length + seenAt.length + 4;
  return text.slice(start, start + receipt.length);
}

/** A message of which the text is one of {@link formatKept}. */
export function keptIn(text: string): Kept {
  const [to = '', from = '', id = '', seenAt = '', receipt = '', arrived, expires, message = ''] = text.split(
    '\n',
    LINES,
  );
  return { to, from, id, message, seenAt, receipt, arrived: Number(arrived), expires: Number(expires) };
}

/** Reads a message out of the store: `undefined` when this is none that a server keeps, so that each can be told in a line. */
export function parseKept(text: string): Kept | undefined {
  if (text.length > MAX_LENGTH) return undefined;
  const kept = keptIn(text);
  const { to, from, id, receipt, message, seenAt, arrived, expires } = kept;
  if (to === '' || from === '' || !isMailboxName(id) || !isMailboxName(receipt)) return undefined;
  if (!/^[A-Za-z0-9_-]+$/.test(message) || canonicalAddress(seenAt) !== seenAt) return undefined;
  // It is read as it was written, or not at all.
  return isTime(arrived) && isTime(expires) && formatKept(kept) === text ? kept : undefined;
}
