import {
  catchError,
  concat,
  EMPTY,
  finalize,
  ignoreElements,
  merge,
  switchMap,
  takeUntil,
  tap,
  type Observable,
} from 'rxjs';
import type { CloseReason } from '../connection/close-reason.js';
import type { Connection } from '../connection/connection.js';
import { ClosedError, InvalidUnlError, reasonOf } from '../errors.js';
import { diallerOf, reportFailure, type DialOptions } from './dialler.js';
import { openRaw$ } from './raw.js';
import { reporter, type Report } from './report.js';
import { print } from './stdout.js';
import { reportFile } from './story/record.js';
import { openStdin, runUntilInterrupted, stdinLines } from './terminal.js';

/** The options of `rxp2p connect`. */
export interface ConnectOptions extends DialOptions {
  /** Bytes instead of lines. */
  readonly raw?: boolean;
  /** A file for the report as a page. */
  readonly report?: string;
}

/** `rxp2p connect`: passes lines, or bytes, between a peer and the terminal until one of them ends. */
export async function connect(unl: string, options: ConnectOptions, version: string): Promise<void> {
  const { json, raw = false, report: file } = options;
  const report = reporter(json);
  const { net, connectAloud$ } = diallerOf(unl, options, report);
  const story = reportFile(file, net, { title: 'rxp2p connect', version, report });

  openStdin();
  // Until there is a connection, an end is a failure.
  let status = 1;
  // An orderly end is a failure, too, when some of stdin could not be sent because it is no line.
  let isWhole = true;
  let outcome = 'It was interrupted before there was a connection';
  const conversation$ = connectAloud$.pipe(
    switchMap((connection) => {
      story.follow(connection);
      if (raw) return openRaw$(connection, report);
      status = 0;
      return converse$(connection, report, () => {
        isWhole = false;
      });
    }),
    tap(({ code, message }) => {
      outcome = message;
      status = code === 'closed' && isWhole ? 0 : 1;
    }),
    catchError((error: unknown) => {
      if (error instanceof InvalidUnlError) throw error;
      outcome = reasonOf(error);
      reportFailure(error, report);
      return EMPTY;
    }),
  );
  const end = await runUntilInterrupted(net, conversation$);
  story.write(outcome);
  // Bytes that were interrupted are not all there, unless their reader has had enough.
  process.exitCode = end === 'stdout' ? 0 : status;
}

/** Sends stdin, prints what comes, and emits why it ended once all of it is printed. */
function converse$(connection: Connection, report: Report, onFailure: () => void): Observable<CloseReason> {
  const sent$ = connection.sendAll(stdinLines()).pipe(
    catchError((error: unknown) => {
      // That the peer has gone is told by the connection itself.
      if (error instanceof ClosedError) return EMPTY;
      report('error', { message: reasonOf(error) }, reasonOf(error));
      onFailure();
      return EMPTY;
    }),
    finalize(() => {
      connection.close();
    }),
  );
  const received$ = connection.eachLine$(print).pipe(ignoreElements());
  return merge(sent$.pipe(takeUntil(connection.closed$)), concat(received$, connection.closed$));
}
