import type { Queue } from '../../lib/bounds/queue.js';

/** What has come and is still to be answered. There is none for a client that is quiet. */
export interface Ahead {
  /** Some lines of the piece that is being read. */
  lines: readonly string[];
  next: number;
  /** The rest of that piece, and how many bytes the whole has. */
  rest: Buffer;
  length: number;
  /** What was not begun yet. */
  received: Queue<Buffer> | undefined;
  receivedLength: number;
}

/** Begins with a piece. */
export function aheadOf(piece: Buffer): Ahead {
  return { lines: [], next: 0, rest: piece, length: piece.length, received: undefined, receivedLength: 0 };
}

const NEWLINE = 0x0a;

/** An empty piece. */
export const NOTHING = Buffer.alloc(0);

/** So many lines are cut at once: a client that is refused on one of them has not had 65,000 made of what it sent. */
const LINES_AT_ONCE = 64;

/** Where so many lines of a piece end. */
export function endOfLines(piece: Buffer): number {
  let end = 0;
  for (let left = LINES_AT_ONCE; left > 0; left--) {
    end = piece.indexOf(NEWLINE, end) + 1;
    if (end === 0) return piece.length;
  }
  return end;
}
