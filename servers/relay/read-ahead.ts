import type { Socket } from 'node:net';
import { Gathered } from '../../lib/bounds/gathered.js';

/** How much is read from a waiting node, in bytes: more than its part of a TLS handshake. */
const EARLY_BYTES = 4_096;

/**
 * Reads a little from a waiting node, so that its end is noticed. The rest stays unread, and TCP holds it back. The returned
 * function puts back what was read.
 */
export function readAhead(socket: Socket): () => void {
  const early = new Gathered();
  const read = (chunk: Buffer) => {
    early.push(chunk);
    if (early.length >= EARLY_BYTES) socket.pause();
  };
  socket.on('data', read);
  return () => {
    socket.off('data', read);
    socket.pause();
    if (!socket.destroyed && early.length > 0) socket.unshift(early.take());
  };
}
