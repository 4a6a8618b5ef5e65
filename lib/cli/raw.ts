import { Writable } from 'node:stream';
import { defer, finalize, fromEvent, map, noop, race, switchMap, take, type Observable } from 'rxjs';
import type { CloseReason } from '../connection/close-reason.js';
import type { Channel, Connection } from '../connection/connection.js';
import { reasonOf } from '../errors.js';
import type { Report } from './report.js';
import { printBytes } from './stdout.js';

/** The channel that carries the bytes of `--raw`. Either side may end its direction, while the other goes on. */
export const RAW_CHANNEL = 'raw';

/** How either side opens or takes it. */
export const RAW_OPTIONS = { allowHalfOpen: true } as const;

/** Opens a channel for bytes to a peer, and passes them: see {@link converseRaw$}. */
export function openRaw$(connection: Connection, report: Report): Observable<CloseReason> {
  return defer(() => converseRaw$(connection.openChannel(RAW_CHANNEL, RAW_OPTIONS), report));
}

/**
 * Passes bytes between stdin, stdout and a peer until both directions have ended, then closes the connection. Emits why it has ended, once
 * all that has come is written and all that was sent has arrived. Unsubscribing before that resets the channel, so that the peer does
 * not take what it has for all.
 */
export function converseRaw$(channel: Channel, report: Report): Observable<CloseReason> {
  const { connection } = channel;
  return passed$(channel, report).pipe(
    switchMap((reason) => {
      connection.close();
      return connection.closed$.pipe(
        map((closed) => {
          if (reason.code === 'closed') return closed;
          // Where the connection was not refused, only the channel was.
          const isOther = reason.code === 'refused' && closed.code !== 'refused';
          const words = isOther ? 'the peer takes no bytes: it has to listen with --raw' : reason.message;
          report('error', { message: words }, `rxp2p: ${words}`);
          return reason;
        }),
      );
    }),
  );
}

/** Emits why a channel has ended, once all that has come on it is written. */
function passed$(channel: Channel, report: Report): Observable<CloseReason> {
  return defer(() => {
    const { stdin } = process;
    const stream = channel.toDuplex().on('error', noop);
    const stdout = new Writable({
      write: (bytes: Buffer, _encoding, done) => {
        // It never fails: what becomes of stdout is watched elsewhere.
        void printBytes(bytes).then(() => {
          done();
        });
      },
    });
    const isWhole$ = race(
      fromEvent(stdout, 'finish').pipe(map(() => true)),
      fromEvent(stream, 'error').pipe(map(() => false)),
    ).pipe(take(1));
    let isOver = false;
    const failed = (error: Error) => {
      report('error', { message: reasonOf(error) }, `rxp2p: cannot read stdin: ${reasonOf(error)}`);
      stream.destroy(error);
    };
    const ended = () => {
      // A terminal has no end that could be waited for.
      if (!stdin.isTTY) return;
      stdin.unpipe(stream);
      stream.end();
    };
    stdin.on('error', failed);
    stream.once('end', ended).pipe(stdout);
    stdin.pipe(stream);
    return isWhole$.pipe(
      switchMap((isWhole) =>
        channel.closed$.pipe(
          map((reason): CloseReason => {
            isOver = true;
            if (isWhole || reason.code !== 'closed') return reason;
            return { code: 'lost', by: reason.by, message: 'the connection was closed before the end of the bytes' };
          }),
        ),
      ),
      finalize(() => {
        stdin.off('error', failed).unpipe(stream);
        if (!isOver) channel.reset(0, 'interrupted');
      }),
    );
  });
}
