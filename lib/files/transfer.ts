import { Observable } from 'rxjs';
import type { Channel } from '../connection/connection.js';
import { ClosedError, FilesError, ProtocolError, reasonOf, type FilesFailure } from '../errors.js';
import type { FilesStep } from './interface.js';
import { FewerSteps } from './progress.js';
import { failureOfReset, resetCodeOf } from './resets.js';

/** By this name receivers and senders open the channel of a transfer. */
export const FILES_CHANNEL = 'files';

/** One side's work at a transfer. */
export type Work = (tell: (step: FilesStep) => void, signal: AbortSignal) => Promise<void>;

/**
 * Runs one side of a transfer. When it fails, or is unsubscribed from, the channel is reset, so that the peer learns why.
 *
 * @param work ends when both sides know that it is over; and soon after its signal.
 */
export function transfer$(channel: Channel, work: Work): Observable<FilesStep> {
  return new Observable((subscriber) => {
    const over = new AbortController();
    let isOver = false;
    let loss: unknown;
    const steps = new FewerSteps((step) => {
      subscriber.next(step);
    });
    // Only when the work has put everything back is it over.
    const end = (error?: unknown) => {
      if (isOver) return;
      isOver = true;
      steps.close();
      over.abort();
      if (error === undefined) {
        // Where the peer has ended it, too, as it should, it is over already.
        channel.reset();
        subscriber.complete();
        return;
      }
      channel.reset(resetCodeOf(failureOf(error)), wordsFor(error));
      subscriber.error(error);
    };
    const tell = (step: FilesStep) => {
      if (!isOver) steps.tell(step);
    };
    // Also while the work waits for something else than the peer.
    const watching = channel.closed$.subscribe({
      next: ({ code, message, resetCode }) => {
        if (code === 'closed' || isOver) return;
        loss = lossOf(code, message, resetCode);
        over.abort(loss);
      },
      error: end,
    });
    work(tell, over.signal).then(
      () => {
        end();
      },
      (error: unknown) => {
        end(loss ?? error);
      },
    );
    return () => {
      steps.close();
      watching.unsubscribe();
      if (isOver) return;
      isOver = true;
      over.abort();
      channel.reset(resetCodeOf('interrupted'), 'the transfer was interrupted');
    };
  });
}

/** What is told where the channel has ended too early. */
export function lossOf(code: string, message: string, resetCode: number | undefined): FilesError | ClosedError {
  if (code === 'refused') return new FilesError('refused', 'the peer neither sends nor receives files now');
  const failure = code === 'reset' ? failureOfReset(resetCode) : undefined;
  if (failure !== undefined) return new FilesError(failure, message);
  return new ClosedError(`the connection was lost before the end: ${message}`);
}

function failureOf(error: unknown): FilesFailure {
  if (error instanceof FilesError) return error.reason;
  return error instanceof ProtocolError ? 'protocol' : 'interrupted';
}

/** The system's own words name folders of this machine, which are not the peer's business. */
function wordsFor(error: unknown): string {
  if (error instanceof FilesError)
    return error.reason === 'unreadable' ? 'files cannot be read, or not written' : error.message;
  return error instanceof ProtocolError ? reasonOf(error) : 'the transfer has failed';
}
