import { ReceiveCredit, WindowPool } from '../../../lib/connection/channels/credit.js';
import { FIRST_WINDOW_BYTES } from '../../../lib/connection/channels/frames.js';

/** A window whose first bytes have come and been read, so that it may grow. */
function used(pool: WindowPool): ReceiveCredit {
  const credit = new ReceiveCredit(pool);
  credit.arrive(FIRST_WINDOW_BYTES);
  credit.read(FIRST_WINDOW_BYTES);
  return credit;
}

/** How large a window has become, in first windows. */
const sizeOf = (credit: ReceiveCredit, read: number) => credit.grant() / FIRST_WINDOW_BYTES - read;

describe('The credit of a receiver', () => {
  it('grows once for each limit that blocks the sender', () => {
    const credit = used(new WindowPool(1_000 * FIRST_WINDOW_BYTES));
    credit.grow(FIRST_WINDOW_BYTES);
    credit.grow(FIRST_WINDOW_BYTES);
    expect(sizeOf(credit, 1)).toBe(2);
    credit.arrive(2 * FIRST_WINDOW_BYTES);
    credit.read(2 * FIRST_WINDOW_BYTES);
    credit.grow(3 * FIRST_WINDOW_BYTES);
    expect(sizeOf(credit, 3)).toBe(4);
  });

  it('does not grow for a sender that is not blocked, or whose bytes are not read', () => {
    const pool = new WindowPool(1_000 * FIRST_WINDOW_BYTES);
    const [lied, unread] = [used(pool), new ReceiveCredit(pool)];
    for (let limit = 2; limit < 20; limit++) lied.grow(limit * FIRST_WINDOW_BYTES);
    unread.arrive(FIRST_WINDOW_BYTES);
    unread.grow(FIRST_WINDOW_BYTES);
    expect([sizeOf(lied, 1), sizeOf(unread, 0)]).toEqual([1, 1]);
  });
});

describe('The room that windows share', () => {
  /** A window that has taken the whole of what one may have, and is full of bytes that nobody has read. */
  function full() {
    const pool = new WindowPool(3 * FIRST_WINDOW_BYTES);
    const credit = used(pool);
    credit.grow(FIRST_WINDOW_BYTES);
    credit.grant();
    credit.arrive(2 * FIRST_WINDOW_BYTES);
    /** Whether there is room for another to grow. */
    const mayGrow = () => {
      const other = used(pool);
      other.grow(FIRST_WINDOW_BYTES);
      return sizeOf(other, 1) > 1;
    };
    return { credit, mayGrow };
  }

  it('is given back by a channel that has ended, once everything waiting on it has been read', () => {
    const { credit, mayGrow } = full();
    credit.end();
    expect(mayGrow()).toBeFalse();
    credit.read(FIRST_WINDOW_BYTES);
    expect(mayGrow()).toBeFalse();
    credit.read(FIRST_WINDOW_BYTES);
    expect(mayGrow()).toBeTrue();
  });

  it('is given back at once by a channel that is reset', () => {
    const { credit, mayGrow } = full();
    credit.close();
    expect(mayGrow()).toBeTrue();
  });
});
