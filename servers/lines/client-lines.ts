import type { ByteShares } from '../../lib/bounds/byte-shares.js';
import type { Timers } from '../timers.js';
import type { Unread } from '../unread.js';
import type { Outbox } from './outbox.js';

/** Lines to one client: all that a session needs of a connection, so that something else than a TCP socket can carry them. */
export interface ClientLines {
  /** Begins to read. */
  start(handler: ClientHandler): void;
  /**
   * Says a line. Lines said in one go travel together. Says nothing once the lines are over.
   *
   * @throws InvalidTextError when it is not one line, or is too long.
   */
  say(line: string): void;
  /** Hangs up behind what was said, and reads no more. A client that does not hang up, too, is dropped after a second. */
  close(): void;
  /** Drops the client, with all that is still on its way. */
  drop(): void;
}

/** Takes what comes from one client. */
export interface ClientHandler {
  /** A line has come. The next one is read when the promise, if there is one, has resolved. It never rejects. */
  line(text: string): Promise<void> | undefined;
  /** What came is no line: too long, or no UTF-8. Nothing more can be read. */
  fault(error: Error): void;
  /** Nothing is said or read any more. */
  over(): void;
  /** The connection is gone. */
  gone(): void;
}

/** What all clients of a server share. */
export interface LinesShared {
  readonly timers: Timers;
  readonly outbox: Outbox;
  /** Drops clients that do not read. */
  readonly unread: Unread;
  /** What clients have sent that is not answered yet: lines that have begun, and what is read ahead. */
  readonly unanswered: ByteShares;
}

/** The random bytes of a challenge. */
export const NONCE_BYTES = 32;

/** A client that is closed gets this long to take in why, in milliseconds. */
export const REFUSED_MS = 1_000;

const MIB = 1024 * 1024;

/** How much of clients waits to be answered at most, in bytes: of more, the client of which most waits is dropped. */
export const UNANSWERED_BYTES = { mostOfOne: MIB, mostOfSite: 4 * MIB, most: 64 * MIB };
