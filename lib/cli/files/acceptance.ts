import { createHash } from 'node:crypto';
import type { FilesOffer } from '../../files/interface.js';

/** Asks whether to take an offer, until the signal. */
export type Ask = (offer: FilesOffer, signal: AbortSignal) => Promise<boolean>;

/**
 * Asks about each offer once: when a transfer was broken off and begins anew, the sender makes the same offer again. Any other offer is asked
 * about, however like the first it is.
 *
 * @param ask asks whether to take an offer.
 */
export function askedOnce(ask: Ask): Ask {
  let accepted: string | undefined;
  return async (offer, signal) => {
    const digest = digestOf(offer);
    if (digest === accepted) return true;
    const isTaken = await ask(offer, signal);
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
