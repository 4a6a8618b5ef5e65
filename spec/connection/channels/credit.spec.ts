import { ReceiveCredit, WindowPool } from '../../../lib/connection/channels/credit.js';
import { FIRST_WINDOW_BYTES } from '../../../lib/connection/channels/frames.js';

describe('The room that windows share', () => {
  /** A window that has taken the whole of what one may have, and is full of bytes that nobody has read. */
  function full() {
    const pool = new WindowPool(3 * FIRST_WINDOW_BYTES);
    const [one, other] = [new ReceiveCredit(pool), new ReceiveCredit(pool)];
    one.grow();
    one.arrive(one.grant());
    /** Whether there is room for the other to grow. */
    const mayGrow = () => {
      other.grow();
      return other.grant() > FIRST_WINDOW_BYTES;
    };
    return { one, mayGrow };
  }

  it('is given back by a channel at its end only when all that waits there has been read', () => {
    const { one, mayGrow } = full();
    one.end();
    expect(mayGrow()).toBeFalse();
    one.read(FIRST_WINDOW_BYTES);
    expect(mayGrow()).toBeFalse();
    one.read(FIRST_WINDOW_BYTES);
    expect(mayGrow()).toBeTrue();
  });

  it('is given back at once by a channel that is reset, which keeps nothing', () => {
    const { one, mayGrow } = full();
    one.close();
    expect(mayGrow()).toBeTrue();
  });
});
