import type { Socket } from 'node:net';
import { Observable } from 'rxjs';
import { Gathered } from '../bounds/gathered.js';
import { ProtocolError } from '../errors.js';
import type { Wire } from '../link/framed-link.js';
import { FRAME } from '../link/frames.js';

/** PyP2P's `direct` nodes send this many hex digits first. */
const NONCE_LENGTH = 64;

/** The nonce that PyP2P sends when none was agreed: the other side waits for some nonce before it uses the connection. */
export const NO_NONCE = '0'.repeat(NONCE_LENGTH);

/** PyP2P's wire: lines without frames and without encryption; in direct mode, the nonce of the dialling side comes first. */
export function plainWire(): Wire {
  return {
    lineEnd: '\r\n',
    endsWithStream: true,
    encode(type, payload) {
      return type === FRAME.data ? [payload] : [];
    },
    decode(chunk) {
      return [{ type: FRAME.data, payload: chunk }];
    },
  };
}

/**
 * Reads PyP2P's nonce from a socket, and nothing after it. Emits it once and completes. The caller owns the socket before and after.
 *
 * @throws ProtocolError when something else comes, or the socket ends before all 64 digits are there.
 *
 * @example
 * readNonce$(socket).subscribe((nonce) => console.log(nonce, 'comes from', socket.remoteAddress));
 */
export function readNonce$(socket: Socket): Observable<string> {
  return new Observable((subscriber) => {
    const head = new Gathered();
    const onData = (chunk: Buffer) => {
      head.push(chunk);
      const nonce = head.bytes.subarray(0, NONCE_LENGTH);
      try {
        expectHexDigits(nonce);
      } catch (error) {
        subscriber.error(error);
        return;
      }
      if (head.length < NONCE_LENGTH) return;
      // Whoever is told may begin to read at once.
      stop();
      if (head.length > NONCE_LENGTH) socket.unshift(head.bytes.subarray(NONCE_LENGTH));
      subscriber.next(nonce.toString('latin1'));
      subscriber.complete();
    };
    const onEnd = () => {
      subscriber.error(new ProtocolError(`Expected a nonce of ${NONCE_LENGTH} hex digits, but the socket was closed`));
    };
    let isOver = false;
    const stop = () => {
      if (isOver) return;
      isOver = true;
      socket.pause().off('data', onData).off('end', onEnd).off('close', onEnd);
    };
    subscriber.add(stop);
    if (socket.destroyed) onEnd();
    else socket.on('data', onData).on('end', onEnd).on('close', onEnd).resume();
  });
}

function expectHexDigits(bytes: Buffer): void {
  if (/^[0-9A-Fa-f]*$/.test(bytes.toString('latin1'))) return;
  throw new ProtocolError(`Expected a nonce of ${NONCE_LENGTH} hex digits first, got something else`);
}
