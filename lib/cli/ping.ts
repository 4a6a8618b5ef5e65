import {
  catchError,
  defer,
  EMPTY,
  filter,
  ignoreElements,
  map,
  merge,
  mergeMap,
  switchMap,
  take,
  takeUntil,
  takeWhile,
  tap,
  timer,
  withLatestFrom,
  type Observable,
} from 'rxjs';
import type { Connection } from '../connection/connection.js';
import type { Path } from '../connection/path.js';
import { formatEndpoint } from '../endpoint.js';
import { InvalidUnlError, reasonOf } from '../errors.js';
import { diallerOf, reportFailure, type DialOptions } from './dialler.js';
import { BY_RELAY_ONLY } from './exit-status.js';
import { reporter, type Report } from './report.js';
import { print } from './stdout.js';
import { reportFile } from './story/record.js';
import { runUntilInterrupted } from './terminal.js';

/** The options of `rxp2p ping`. */
export interface PingOptions extends DialOptions {
  /** How often; until interrupted by default. */
  readonly count?: number;
  /** Seconds. */
  readonly interval: number;
  /** Whether the first answer by a direct way is the last. */
  readonly untilDirect?: boolean;
  /** A file for the report as a page. */
  readonly report?: string;
}

/** An answer. */
interface Pong {
  readonly peerId: string;
  readonly number: number;
  readonly roundTripMs: number;
  readonly path: Path;
}

/** An answer that takes longer, in milliseconds, is waited for aloud. */
const PATIENCE_MS = 2_000;

/** `rxp2p ping`: the round trip to a peer, and by which way, again and again. */
export async function ping(text: string, options: PingOptions, version: string): Promise<void> {
  const { json, untilDirect = false, report: file } = options;
  const report = reporter(json);
  const { net, connectAloud$ } = diallerOf(text, options, report);
  const story = reportFile(file, net, { title: 'rxp2p ping', version, report });
  const times: number[] = [];
  const seen = { asked: 0, isLost: false, isDirect: false };
  let why = 'It was interrupted before there was a connection';
  const pongs$ = connectAloud$.pipe(
    switchMap((connection) => {
      story.follow(connection);
      const lost$ = connection.closed$.pipe(
        tap(({ message }) => {
          seen.isLost = true;
          why = message;
        }),
      );
      const asking$ = timer(0, options.interval * 1_000).pipe(
        take(options.count ?? Infinity),
        tap(() => {
          seen.asked++;
        }),
        mergeMap((index) => pong$(connection, index + 1, report)),
        takeWhile(({ path }) => !(untilDirect && path.direct), true),
      );
      return asking$.pipe(takeUntil(lost$));
    }),
    mergeMap(async ({ peerId, number, roundTripMs, path }) => {
      const { technique, direct, local, remote } = path;
      times.push(roundTripMs);
      seen.isDirect = direct;
      story.tell({ type: 'pong', words: `answer ${number} after ${roundTripMs.toFixed(1)} ms` });
      const ends = { local: formatEndpoint(local), remote: formatEndpoint(remote) };
      report('pong', { peerId, number, roundTripMs, technique, direct, ...ends }, undefined);
      await print(
        `${number}: ${roundTripMs.toFixed(1)} ms, ${direct ? 'direct' : 'relayed'} by ${technique} at ${ends.remote}`,
      );
    }),
    catchError((error: unknown) => {
      if (error instanceof InvalidUnlError) throw error;
      why = reasonOf(error);
      reportFailure(error, report);
      return EMPTY;
    }),
  );
  await runUntilInterrupted(net, pongs$);
  const words = reportAll(seen.asked, times, report);
  story.write(words === undefined || seen.isLost ? [words, why].filter(Boolean).join('; ') : words);
  if (times.length === 0 || seen.isLost) process.exitCode = 1;
  else process.exitCode = untilDirect && !seen.isDirect ? BY_RELAY_ONLY : 0;
}

/** One round trip, and the way that it took; says so when the answer takes long. */
function pong$(connection: Connection, number: number, report: Report): Observable<Pong> {
  const { peerId, path$ } = connection;
  const answer$ = roundTrip$(connection).pipe(
    withLatestFrom(path$),
    map(([roundTripMs, path]) => ({ peerId, number, roundTripMs, path })),
  );
  const late$ = timer(PATIENCE_MS).pipe(
    tap(() => {
      report('waiting', { peerId, number }, `${number}: no answer for ${PATIENCE_MS / 1_000} s`);
    }),
    ignoreElements(),
  );
  return merge(answer$, late$).pipe(take(1));
}

/**
 * The time that the peer takes to answer, in milliseconds. A channel that nobody takes is refused at once, so every peer answers,
 * whatever program it runs.
 */
function roundTrip$(connection: Connection): Observable<number> {
  return defer(() => {
    const start = performance.now();
    return connection.openChannel('rxp2p ping').closed$.pipe(
      filter(({ code }) => code === 'refused'),
      map(() => performance.now() - start),
    );
  });
}

/** Tells all answers in short, and returns the words for that. */
function reportAll(asked: number, times: readonly number[], report: Report): string | undefined {
  if (asked === 0) return undefined;
  const answered = times.length;
  const sum = times.reduce((all, each) => all + each, 0);
  const [leastMs, averageMs, mostMs] = [Math.min(...times), sum / answered, Math.max(...times)];
  const fields = answered > 0 ? { leastMs, averageMs, mostMs } : {};
  const ms = [leastMs, averageMs, mostMs].map((each) => each.toFixed(1)).join(' / ');
  const words = `${answered} of ${asked} answered${answered > 0 ? `; round trip ${ms} ms (least / average / most)` : ''}`;
  report('pinged', { asked, answered, ...fields }, words);
  return words;
}
