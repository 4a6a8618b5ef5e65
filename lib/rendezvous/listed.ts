import { parseUnl } from '../unl.js';
import type { UnlV3 } from '../unl/types.js';
import type { ListedUnl, ReplyOf } from './dialect.js';

/**
 * The nodes of a list. What a server passes on is anybody's text, and of a node without a key nobody could be proven to be its owner: what is
 * no locator of version 3 is left out.
 */
export function listedIn({ nodes }: ReplyOf<'LISTED'>): ListedUnl[] {
  return nodes.flatMap(({ unl, seenAt }) => readUnl(unl).map((read) => ({ unl: read, seenAt })));
}

function readUnl(text: string): UnlV3[] {
  try {
    const unl = parseUnl(text);
    return unl.version === 3 ? [unl] : [];
  } catch {
    return [];
  }
}
