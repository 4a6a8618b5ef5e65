import type { Socket } from 'node:net';
import { Gathered } from '../../lib/bounds/gathered.js';

/** With so much read of a node that waits, in bytes, no more is: its part of a TLS handshake is less. */
const EARLY_BYTES = 4_096;

/**
 * Reads a little, so that it shows when a node that waits leaves; the rest stays unread, and the network holds it back. What was
 * read is put back by the function that is returned.
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
