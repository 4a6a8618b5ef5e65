import { TokenBucket } from '../../bounds/rate-limit.js';
import type { PeerId } from '../../identity.js';
import type { Announced } from './messages.js';

/** What a neighbour may have sent again, in bytes: all that is kept twice, and then as much as a busy room says. */
const RESENT = { perSecond: 524_288, burst: 2_097_152 };

/** A neighbour, and what there is between it and this node. */
export class Neighbour {
  /** Whether messages are pushed to it: the way is a branch of the tree. Otherwise they are announced. */
  isEager = false;
  /** Whether anything was announced to it. The first is announced at once, since it may have no branch yet. */
  hasHeard = false;
  /** When it was last told to announce only. */
  prunedAt = -Infinity;
  /** What is still to be announced to it, by the ids of the messages. */
  readonly announcements = new Map<string, Announced>();
  /** What is to be announced has waited once for the neighbour to announce it. */
  hasWaited = false;
  /** Announced by it and not yet here. */
  missing = 0;
  /** Its messages that the room has not yet judged. */
  checking = 0;
  /** Messages that it has announced and not sent, less those that it has brought. */
  failures = 0;
  /** Messages that it has sent and that were forged. */
  forged = 0;
  /** By their ids, when messages were asked for that it has announced; the oldest first. */
  readonly asked = new Map<string, number>();
  /** Messages of before that it may still bring. */
  pastLeft = 0;
  /** Whether it has been given the messages of before. */
  hasHistory = false;
  readonly #mayResend: TokenBucket;

  /**
   * @param isFirst whether this node announces first, of the two: both have the same messages most of the time, and what one has announced the other
   * need not.
   */
  constructor(
    readonly id: PeerId,
    readonly isFirst: boolean,
    now: () => number,
  ) {
    this.#mayResend = new TokenBucket({ now, ...RESENT });
  }

  /** Whether what is to be announced to it is announced now. Otherwise it waits for once, unless the neighbour announces it. */
  takesTurn(): boolean {
    if (this.announcements.size === 0) return false;
    const isDue = this.isFirst || this.hasWaited;
    this.hasWaited = !isDue;
    return isDue;
  }

  /** Whether it is sent so many bytes that it asks for. */
  mayResend(bytes: number): boolean {
    return this.#mayResend.take(bytes);
  }
}
