import type { UnlExtension, UnlV3 } from './types.js';

/** A field of a locator by which a node tells that it has a TURN server, which can listen for others; empty. */
const TAG = 160;

/** What the locator of a node has beside the rest: whether it has a TURN server. */
export function turnExtensions(isThere: boolean): readonly UnlExtension[] {
  return isThere ? [{ tag: TAG, value: '' }] : [];
}

/** Whether a locator says that its node has a TURN server. */
export function hasTurn({ extensions }: UnlV3): boolean {
  return extensions.some(({ tag }) => tag === TAG);
}
