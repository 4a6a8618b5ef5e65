import type { SchedulerLike } from 'rxjs';
import { TokenBucket } from '../../bounds/rate-limit.js';
import { ProtocolError } from '../../errors.js';

/** The first of a peer: most connections see no more, and need no rate limit. */
const FIRST = 4;

/** How often a peer may send frames that make this side act, besides the first: links change rarely, and a few at a time. */
const RATE = { perSecond: 10, burst: 46 };

/** Counts the frames of a peer that make this side act: they change links. */
export class Changes {
  #first = 0;
  #bucket: TokenBucket | undefined;

  /**
   * The peer has sent one more.
   *
   * @throws ProtocolError when there are too many.
   */
  expect(scheduler: SchedulerLike): void {
    if (this.#first < FIRST) {
      this.#first++;
      return;
    }
    this.#bucket ??= new TokenBucket({ now: () => scheduler.now(), ...RATE });
    if (!this.#bucket.take())
      throw new ProtocolError(
        `Expected links to change now and then, got more than ${FIRST + RATE.burst} changes at once`,
      );
  }
}
