import { randomFillSync } from 'node:crypto';

/** Texts that are made at once: to ask the system for one takes as long as for many. */
const AT_ONCE = 128;

/**
 * Returns a function that makes texts which nobody can guess, each new: so many random bytes in base64url.
 *
 * @example
 * const newNonce = unguessable(32);
 * newNonce().length; // 43
 */
export function unguessable(bytes: number): () => string {
  const pool = Buffer.alloc(AT_ONCE * bytes);
  let used = pool.length;
  return () => {
    if (used === pool.length) {
      randomFillSync(pool);
      used = 0;
    }
    used += bytes;
    return pool.toString('base64url', used - bytes, used);
  };
}
