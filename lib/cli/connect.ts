import {
  catchError,
  concat,
  EMPTY,
  finalize,
  ignoreElements,
  merge,
  switchMap,
  take,
  takeUntil,
  tap,
  type Observable,
} from 'rxjs';
import type { CloseReason } from '../connection/close-reason.js';
import type { Connection } from '../connection/connection.js';
import { ClosedError, ConnectError, InvalidUnlError, reasonOf } from '../errors.js';
import { createNet } from '../net.js';
import { TECHNIQUE_NAMES } from '../techniques/technique.js';
import { parseUnl, peerNameOf } from '../unl.js';
import { expectOneOf } from '../validate.js';
import { meetingPlaces } from './meeting-places.js';
import { reporter, type Report } from './report.js';
import { print } from './stdout.js';
import { StoryRecord } from './story/record.js';
import {
  caOf,
  identityOf,
  openStdin,
  reportAttempts,
  reportConnection,
  reportClock,
  reportServers,
  runUntilInterrupted,
  stdinLines,
  type NodeOptions,
} from './terminal.js';
import { readTurn } from './turn-option.js';

/** The options of `rxp2p connect`. */
export interface ConnectOptions extends NodeOptions {
  readonly technique?: readonly string[];
  /** Seconds. */
  readonly timeout: number;
  /** A file for the report as a page. */
  readonly report?: string;
}

/** `rxp2p connect`: passes lines between a peer and the terminal until one of them ends. */
export async function connect(unl: string, options: ConnectOptions, version: string): Promise<void> {
  const peer = parseUnl(unl);
  const peerId = peerNameOf(peer);
  const techniques = options.technique?.map((name) => expectOneOf('--technique', name, TECHNIQUE_NAMES));
  const { bind, json, relay, report: file, stun, timeout, turn } = options;
  const report = reporter(json);
  const net = createNet({
    mode: 'direct',
    ...meetingPlaces(options, peer),
    relay,
    stun,
    turn: turn?.map(readTurn),
    bind,
    identity: identityOf(options),
    ca: caOf(options),
    // This node only dials: nobody has its locator, so nothing else needs to reach it.
    portMapping: false,
    reachability: false,
  });
  const story = file === undefined ? undefined : new StoryRecord(net, Date.now);
  reportAttempts(net, report);
  reportServers(net, report);
  reportClock(net, report);

  openStdin();
  let start = 0;
  // Until there is a connection, an end is a failure.
  let status = 1;
  // An orderly end is a failure, too, when some of stdin could not be sent because it is no line.
  let isWhole = true;
  let outcome = 'It was interrupted before there was a connection';
  const conversation$ = net.unl$.pipe(
    // Where this node is itself decides which of the peer's endpoints are near.
    take(1),
    switchMap(() => {
      start = Date.now();
      report('connecting', { peerId }, undefined);
      return net.connect$(unl, { techniques, timeoutMs: timeout * 1000 });
    }),
    switchMap((connection) => {
      status = 0;
      story?.follow(connection);
      reportConnection(connection, Date.now() - start, report);
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
  await runUntilInterrupted(net, conversation$);
  if (file !== undefined) story?.write(file, { title: 'rxp2p connect', outcome }, version, report);
  process.exitCode = status;
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

function reportFailure(error: unknown, report: Report): void {
  const attempts = error instanceof ConnectError ? error.attempts : [];
  const reasons = attempts.map(({ technique, reason }) => `\n  ${technique}: ${reason}`).join('');
  const unreachable = error instanceof ConnectError ? error.unreachable : [];
  const servers = unreachable.map((words) => `\n  no signal could be sent: ${words}`).join('');
  const words = attempts.length > 0 ? `no connection could be made${reasons}${servers}` : reasonOf(error);
  report('failed', { reason: reasonOf(error) }, `rxp2p: ${words}`);
}
