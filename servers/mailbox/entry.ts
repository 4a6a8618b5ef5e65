import type { RefusalCode } from '../../lib/signalling/carriers/mailbox-messages.js';
import type { Used } from './quota.js';
import type { Shares } from './shares.js';

/** The box of one receiver. */
export interface Box {
  readonly to: string;
  /** What is in it or about to be, by sender and id. */
  readonly byId: Map<string, Entry>;
  /** What can be taken, by receipt, in the order of arrival. */
  readonly shown: Map<string, Entry>;
  /** What is in the box, or about to be. */
  readonly shares: Shares<Entry>;
}

/** A message in its box. There may be many thousands: only what is needed again and again is here by itself. */
export interface Entry extends Counted {
  readonly box: Box;
  /** As it is stored: a text of its own, of which the next two are parts. What came may be a part of something longer. */
  text: string;
  /** The same for each copy of it, and for nothing else in its box. */
  keptId: string;
  receipt: string;
  readonly arrived: number;
  readonly expires: number;
  /** The site that it is counted for, in its box and in total. */
  readonly site: string;
  /** What it is counted for, in bytes. */
  readonly size: number;
  /** Under which it is stored: {@link keyOf} it. */
  readonly number: number;
  /** What becomes of it, until that is known. */
  putting: Promise<RefusalCode | undefined> | undefined;
  /** Which place it has to leave as soon as another message is stored: it is counted no longer. */
  leaving: FullCode | undefined;
  /** Whether it is counted, in its box and in total: it is kept, and leaves for no other. */
  isCounted: boolean;
}

/** For whom a message is counted. */
export interface Counted {
  sender: Used;
  host: Used;
}

/** Which place is full: a box, or all of them together. */
export type FullCode = Extract<RefusalCode, 'recipient-full' | 'server-full'>;

/** The prefix of messages' keys: the store is shared. */
export const PREFIX = 'message ';

/** Padded, so that the order of keys is the order of numbers. */
const DIGITS = 16;

/** Under which a message is stored. */
export function keyOf({ number }: Pick<Entry, 'number'>): string {
  return PREFIX + String(number).padStart(DIGITS, '0');
}

/** The number in a key of {@link keyOf}. */
export function numberIn(key: string): number | undefined {
  const number = Number(key.slice(PREFIX.length));
  return Number.isSafeInteger(number) && keyOf({ number }) === key ? number : undefined;
}
