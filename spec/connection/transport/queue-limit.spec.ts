import { LEAST_QUEUE_BYTES, MOST_QUEUE_BYTES, QueueLimit } from '../../../lib/connection/transport/queue-limit.js';

describe('How much may wait in a link', () => {
  it('is twice as much each time a fast link has sent what it was handed, up to a limit', () => {
    const limit = new QueueLimit(0);
    const bytes = [1, 2, 3, 4].map((now) => {
      limit.written(limit.bytes / 2, now);
      return limit.bytes;
    });
    expect(bytes[0]).toBe(2 * LEAST_QUEUE_BYTES);
    expect(bytes.at(-1)).toBe(MOST_QUEUE_BYTES);
  });

  it('stays as it is where the link is neither fast nor slow, and is the least again where it is slow', () => {
    const limit = new QueueLimit(0);
    limit.written(LEAST_QUEUE_BYTES / 2, 4);
    const fast = limit.bytes;
    limit.written(fast / 2, 14);
    expect(limit.bytes).toBe(fast);
    limit.written(fast / 2, 35);
    expect(limit.bytes).toBe(LEAST_QUEUE_BYTES);
  });

  it('stays as it is however fast a link has sent a few bytes', () => {
    const limit = new QueueLimit(0);
    for (let i = 0; i < 10; i++) limit.written(100, 1);
    expect(limit.bytes).toBe(LEAST_QUEUE_BYTES);
  });
});
