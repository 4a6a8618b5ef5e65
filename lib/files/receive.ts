import type { Observable } from 'rxjs';
import type { Channel } from '../connection/connection.js';
import type { FilesStep, ReceiveFilesOptions } from './interface.js';
import { transfer$ } from './transfer.js';

/**
 * Receives files and folders from a peer that sends them by `sendFiles$` on the same channel. Each is written beside its place, and gets its
 * name when it is whole and verified. What has come of a transfer that was broken stays in a folder `.rxp2p-partial`, and is not sent again
 * by the next transfer to the same folder, whenever that is.
 *
 * Nothing that the peer says makes it write outside the folder, through a symbolic link, or over a file, unless the options say so.
 *
 * @param channel opened or taken by the name {@link FILES_CHANNEL}; it is this function's from now on, and has ended when this has.
 * @param options where to, and what to take.
 * @returns a cold Observable of what happens, which completes when all that could be sent is there. Unsubscribing before that gives up.
 * Fails with FilesError (`FILES`) where the offer is not accepted, has names that cannot be written, or the disk is full; ClosedError
 * (`CLOSED`) when the connection is lost; ProtocolError (`PROTOCOL`) when the peer violates the protocol.
 *
 * @example
 * net.connect$(unl).pipe(
 *   mergeMap((connection) => receiveFiles$(connection.openChannel(FILES_CHANNEL), { into: 'received' })),
 * ).subscribe({ next: (step) => console.log(step.type), error: ({ message }) => console.error(message) });
 */
export function receiveFiles$(channel: Channel, options: ReceiveFilesOptions): Observable<FilesStep> {
  return transfer$(channel, async (...work) => {
    // Most applications never need what it takes.
    const { receive } = await import('./receiving.js');
    await receive(channel, options, ...work);
  });
}
