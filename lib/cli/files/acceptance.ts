import { createHash } from 'node:crypto';
import type { FilesOffer } from '../../files/interface.js';

/**
 * Asks about each offer once: when a transfer was broken off and begins anew, the sender makes the same offer again. Any other offer is asked
 * about, however like the first it is.
 *
 * @param ask asks whether to take an offer.
 */
export function askedOnce(ask: (offer: FilesOffer) => Promise<boolean>): (offer: FilesOffer) => Promise<boolean> {
  let accepted: string | undefined;
  return async (offer) => {
    const digest = digestOf(offer);
    if (digest === accepted) return true;
    const isTaken = await ask(offer);
    if (isTaken) accepted = digest;
    return isTaken;
  };
}

/** A digest of all that is offered. */
function digestOf({ entries }: FilesOffer): string {
  const hash = createHash('sha256');
  for (const { path, kind, size, mode, modifiedMs, target } of entries)
    hash.update(`${JSON.stringify([path, kind, size, mode, modifiedMs, target ?? null])}\n`);
  return hash.digest('base64');
}
