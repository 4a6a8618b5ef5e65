import type { Socket } from 'node:net';
import { noop, Observable } from 'rxjs';
import type { CloseReason } from '../connection/close-reason.js';
import type { Channel } from '../connection/connection.js';

/** By these codes the side with the service resets a channel that does not get to it. */
export const RESET_CODE = {
  /** The service refuses TCP connections, or cannot be reached. */
  unreachable: 1,
  /** As many streams are open as may be. */
  busy: 2,
} as const;

/**
 * Joins a TCP connection and a channel of bytes. The end of the one half-closes the other, and a reset of the one resets the other, so that
 * nobody takes a part for the whole. The slower one sets the pace.
 *
 * @param socket with `allowHalfOpen`. It is this function's from now on.
 * @param channel opened or accepted with `allowHalfOpen`.
 * @returns a cold Observable, which emits why the channel has ended, and completes. Unsubscribing before that resets both.
 *
 * @example
 * net.channels$('web', { allowHalfOpen: true }).subscribe((channel) => {
 *   const socket$ = dial$({ host: 'localhost', port: 8080 });
 *   socket$.pipe(switchMap((socket) => joined$(socket, channel))).subscribe({ error: console.error });
 * });
 */
export function joined$(socket: Socket, channel: Channel): Observable<CloseReason> {
  return new Observable((subscriber) => {
    const stream = channel.toDuplex();
    const reset = () => {
      resetSocket(socket);
    };
    stream.on('error', reset);
    socket.on('error', (error) => {
      stream.destroy(error);
    });
    let isOver = false;
    const onClose = () => {
      // Destroyed at this side, or before it came here: that is told by no error.
      if (!isOver && !(socket.readableEnded && socket.writableFinished))
        stream.destroy(new Error('the socket has closed'));
    };
    if (socket.closed) onClose();
    else socket.once('close', onClose);
    const end = channel.closed$.subscribe({
      next: (reason) => {
        isOver = true;
        if (reason.code !== 'closed') reset();
        subscriber.next(reason);
        subscriber.complete();
      },
      error: noop,
    });
    socket.pipe(stream).pipe(socket);
    return () => {
      end.unsubscribe();
      if (isOver) return;
      channel.reset(0, 'the stream was given up');
      reset();
    };
  });
}

/** Resets a TCP connection, so that its end cannot be mistaken for an orderly one. */
export function resetSocket(socket: Socket): void {
  // Once a FIN is queued, the RST would not be sent cleanly.
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}
