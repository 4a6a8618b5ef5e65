import { InvalidUnlError } from './errors.js';
import type { Unl } from './unl/types.js';
import { decodeVersion2, encodeVersion2, plainName } from './pyp2p/wire/unl-version-2.js';
import { decodeVersion3, encodeVersion3 } from './unl/version-3.js';
import { show } from './validate.js';

/** A locator is at most this many characters, so that it fits in a QR code, a URL or a chat message. */
export const UNL_MAX_LENGTH = 512;

/**
 * Reads a locator of version 3 (ours) or 2 (PyP2P's). Surrounding white space is ignored, since people paste locators;
 * anything else that {@link formatUnl} would not have written is refused.
 *
 * @param text the locator.
 * @throws InvalidUnlError (`INVALID_UNL`) for anything that is not a whole, unaltered locator of a version this program knows.
 *
 * @example
 * const unl = parseUnl('AgAAAAAAAAAAAAAAAAAAAAAAAAAAc2dtnK0BLS0tAgABCqhfKnY=');
 * unl.nodeType; // 'simultaneous'
 * if (unl.version === 2) console.log(unl.wan); // 45.45.45.1
 */
export function parseUnl(text: string): Unl {
  if (typeof text !== 'string') throw new InvalidUnlError(`Expected a UNL to be a text, got ${show(text)}`);
  const trimmed = text.trim();
  if (trimmed.length > UNL_MAX_LENGTH) {
    throw new InvalidUnlError(`Expected a UNL of at most ${UNL_MAX_LENGTH} characters, got ${trimmed.length}`);
  }
  if (trimmed === '') throw new InvalidUnlError('Expected a UNL, got an empty text');
  const bytes = decodeText(trimmed);
  switch (bytes[0]) {
    case 2:
      return decodeVersion2(bytes);
    case 3:
      return decodeVersion3(bytes);
    default:
      throw new InvalidUnlError(
        `Expected a UNL of version 2 or 3, got version ${bytes[0] ?? 'none'}: ${show(trimmed)}. ` +
          'It may be damaged, or made by a newer program.',
      );
  }
}

/**
 * Writes a locator: version 3 in base64url (at most 512 characters), version 2 in base64 as PyP2P does.
 *
 * @param unl what the locator says; {@link parseUnl} gives the same back.
 * @throws InvalidUnlError (`INVALID_UNL`) when a field is out of its bounds, or the whole is too long.
 *
 * @example
 * const unl = parseUnl('AgAAAAAAAAAAAAAAAAAAAAAAAAAAc2dtnK0BLS0tAgABCqhfKnY=');
 * formatUnl(unl); // 'AgAAAAAAAAAAAAAAAAAAAAAAAAAAc2dtnK0BLS0tAgABCqhfKnY='
 */
export function formatUnl(unl: Unl): string {
  if (unl.version === 2) return encodeVersion2(unl).toString('base64');
  const text = encodeVersion3(unl).toString('base64url');
  if (text.length > UNL_MAX_LENGTH) {
    throw new InvalidUnlError(
      `Expected a UNL of at most ${UNL_MAX_LENGTH} characters, got ${text.length}: leave out some endpoints or servers`,
    );
  }
  return text;
}

/** Who a locator is of: the peer id, or PyP2P's node id. */
export function peerNameOf(unl: Unl): string {
  return unl.version === 3 ? unl.peerId : unl.nodeId;
}

/**
 * What the connection to the owner of a locator is known by: its peer id; of PyP2P's nodes, which prove nothing, the
 * endpoint.
 */
export function connectionKeyOf(unl: Unl): string {
  return unl.version === 3 ? unl.peerId : plainName({ address: unl.wan, port: unl.port });
}

/** Version 2 is written in padded base64, version 3 in base64url; each value has exactly one spelling. */
function decodeText(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString(bytes[0] === 2 ? 'base64' : 'base64url') === text) return bytes;
  throw new InvalidUnlError(`Expected a UNL in base64url, got ${show(text)}`);
}
