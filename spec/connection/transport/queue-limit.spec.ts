import { LEAST_QUEUE_BYTES, MOST_QUEUE_BYTES, QueueLimit } from '../../../lib/connection/transport/queue-limit.js';

describe('How much may wait in a link', () => {
  it('is twice as much each time a fast link has sent what it was handed, up to a limit', () => {
    const limit = new QueueLimit(0);
    const bytes = [1, 2, 3, 4].map((now) => {
      limit.written(now);
      return limit.bytes;
    });
    expect(bytes[0]).toBe(2 * LEAST_QUEUE_BYTES);
    expect(bytes.at(-1)).toBe(MOST_QUEUE_BYTES);
  });

  it('stays as it is where the link is neither fast nor slow, and is the least again where it is slow', () => {
    const limit = new QueueLimit(0);
    limit.written(4);
    const fast = limit.bytes;
    limit.written(14);
    expect(limit.bytes).toBe(fast);
    limit.written(35);
    expect(limit.bytes).toBe(LEAST_QUEUE_BYTES);
  });
});
