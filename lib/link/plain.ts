import { ProtocolError } from '../errors.js';
import type { Wire } from './channel.js';
import { FRAME } from './frames.js';

/** PyP2P's `direct` nodes send this many hex digits first. */
const NONCE_LENGTH = 64;

/** What PyP2P sends when no nonce was agreed. */
const NO_NONCE = Buffer.alloc(NONCE_LENGTH, '0');

/**
 * The wire that PyP2P speaks: bare lines, not secured. In direct mode the side that dialled sends a nonce first.
 *
 * @param nonce which side of the nonce this is; none in `p2p` mode.
 */
export function plainWire(nonce: 'sends' | 'expects' | 'none'): Wire {
  let opening = nonce === 'sends' ? [NO_NONCE] : [];
  let missing = nonce === 'expects' ? NONCE_LENGTH : 0;
  return {
    lineEnd: '\r\n',
    endsWithStream: true,
    encode(type, payload) {
      if (type !== FRAME.data) return [];
      const bytes = [...opening, payload];
      opening = [];
      return bytes;
    },
    decode(chunk) {
      const head = chunk.subarray(0, missing);
      if (!/^[0-9A-Fa-f]*$/.test(head.toString('latin1'))) {
        throw new ProtocolError(`Expected a nonce of ${NONCE_LENGTH} hex digits first, got something else`);
      }
      missing -= head.length;
      return chunk.length === head.length ? [] : [{ type: FRAME.data, payload: chunk.subarray(head.length) }];
    },
  };
}
