import type { Observable } from 'rxjs';
import type { Channel } from '../connection/connection.js';
import type { FilesStep, SendFilesOptions } from './interface.js';
import { transfer$ } from './transfer.js';

/**
 * Sends files and folders to a peer that receives them by `receiveFiles$` on the same channel. What the receiver has already, as a whole or
 * in part, is not sent again.
 *
 * @param channel opened or taken by the name {@link FILES_CHANNEL}; it is this function's from now on, and has ended when this has.
 * @param paths files and folders of this machine. Each goes by its own name, without the folders it is in.
 * @returns a cold Observable of what happens, which completes when the receiver has all that could be sent. Unsubscribing before that gives up.
 * Fails with FilesError (`FILES`) where something cannot be read, or the receiver refuses or cannot go on; ClosedError (`CLOSED`) when
 * the connection is lost; ProtocolError (`PROTOCOL`) when the peer violates the protocol; InvalidOptionError (`INVALID_OPTION`).
 *
 * @example
 * net.channels$(FILES_CHANNEL).pipe(take(1), mergeMap((channel) => sendFiles$(channel, ['photos']))).subscribe({
 *   next: (step) => console.log(step.type),
 *   error: ({ message }) => console.error(message),
 * });
 */
export function sendFiles$(
  channel: Channel,
  paths: readonly string[],
  options: SendFilesOptions = {},
): Observable<FilesStep> {
  return transfer$(channel, async (...work) => {
    // Most applications never need what it takes.
    const { send } = await import('./sending.js');
    await send(channel, paths, options, ...work);
  });
}
