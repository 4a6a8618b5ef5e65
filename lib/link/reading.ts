import type { Socket } from 'node:net';
import type { Subscriber } from 'rxjs';
import { ClosedError, reasonOf } from '../errors.js';

/**
 * Reads a stream for a subscriber until the function that is returned is called; then the stream is paused, and what comes later
 * stays where it is. Whatever goes wrong is told to the subscriber.
 *
 * @param take does something with each chunk; what it throws ends the reading.
 * @throws ClosedError, as the subscriber's error, when the stream ends.
 *
 * @example
 * new Observable((subscriber) => reading(socket, subscriber, (chunk) => subscriber.next(chunk)));
 */
export function reading(
  stream: Socket,
  subscriber: Pick<Subscriber<never>, 'error'>,
  take: (chunk: Buffer) => void,
): () => void {
  const onData = (chunk: Buffer) => {
    try {
      take(chunk);
    } catch (error) {
      subscriber.error(error);
    }
  };
  const onError = (cause: Error) => {
    subscriber.error(new ClosedError(`the connection broke: ${reasonOf(cause)}`, { cause }));
  };
  const onEnd = () => {
    subscriber.error(new ClosedError('closed by the server'));
  };
  stream.on('data', onData).on('error', onError).on('end', onEnd).on('close', onEnd);
  if (stream.destroyed) onEnd();
  else stream.resume();
  return () => {
    stream.pause();
    stream.off('data', onData).off('error', onError).off('end', onEnd).off('close', onEnd);
  };
}
