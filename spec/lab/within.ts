import { setTimeout } from 'node:timers/promises';

/** What the promise gives, unless it takes too long. */
export const within = async <T>(ms: number, promise: Promise<T>): Promise<T> => {
  const clock = new AbortController();
  const late = setTimeout(ms, undefined, { signal: clock.signal }).then(() => {
    throw new Error(`nothing within ${ms / 1000} s`);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    late.catch(() => undefined);
    clock.abort();
  }
};
