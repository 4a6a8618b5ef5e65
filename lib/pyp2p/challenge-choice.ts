import type { Socket } from 'node:net';
import {
  catchError,
  concat,
  defer,
  EMPTY,
  finalize,
  map,
  merge,
  mergeMap,
  Observable,
  of,
  scan,
  switchMap,
  take,
  tap,
  throwError,
  timer,
  type SchedulerLike,
} from 'rxjs';
import { DialError } from '../errors.js';

/** What finding out which socket the peer keeps needs. */
export interface ChallengeChoiceConfig {
  /** Sends PyP2P's nonce on a socket that has opened. */
  readonly greet: (socket: Socket) => void;
  readonly scheduler: SchedulerLike;
}

/** When nothing has changed for this long, in milliseconds, the peer keeps all open sockets, and any of them will do. */
const SETTLE_MS = 1_000;

/** The peer closes its other sockets at the same moment: their closes arrive within the jitter of a path, in milliseconds. */
const CLOSING_MS = 200;

/** What happens to the punches of a challenge, each known by its number, and to the sockets that they open. */
type Change =
  | { readonly type: 'opened'; readonly punch: number; readonly socket: Socket }
  | { readonly type: 'over'; readonly punch: number }
  | { readonly type: 'spoke' | 'closed'; readonly socket: Socket };

/** The punches and sockets of a challenge at a moment. */
interface Holes {
  /** Sockets that are open, in the order in which they opened. */
  readonly open: readonly Socket[];
  /** Punches that are under way and have opened nothing yet. */
  readonly underWay: readonly number[];
  /** Whether the peer has closed a socket. */
  readonly hasClosed: boolean;
  /** The socket on which the peer has said something. */
  readonly spoken: Socket | undefined;
}

/**
 * Carries out the punches of a challenge and emits the socket that the peer keeps: paused, with everything that the peer has sent still
 * unread. Then it completes. All other sockets are closed, also when unsubscribed from.
 *
 * A PyP2P node connects from its four ports one after the other, keeps the first of its sockets that connected, and closes the
 * others without a message when it has tried all. On this side another socket may have opened first; and an open socket here may be one
 * that the peer has not accepted. So the nonce is sent on every socket that opens, and all are kept until the peer has sent
 * something on one of them, or has closed the others, or no punch is under way and nothing has changed for a second.
 *
 * @throws AggregateError with the error of each punch when none opened a socket; DialError when the peer has closed all that opened.
 *
 * @example
 * keptByPeer$(punches, { greet: (socket) => socket.write('hello\n'), scheduler: asyncScheduler }).subscribe(use);
 */
export function keptByPeer$(
  punches: readonly Observable<Socket>[],
  { greet, scheduler }: ChallengeChoiceConfig,
): Observable<Socket> {
  return defer(() => {
    const errors: unknown[] = [];
    const opened = new Set<Socket>();

    const changesOf$ = (punch$: Observable<Socket>, punch: number): Observable<Change> =>
      concat(
        punch$.pipe(
          catchError((error: unknown) => {
            errors.push(error);
            return EMPTY;
          }),
          mergeMap((socket) => {
            opened.add(socket);
            greet(socket);
            return concat(of({ type: 'opened', punch, socket } as const), fateOf$(socket));
          }),
        ),
        of({ type: 'over', punch } as const),
      );
    const before: Holes = { open: [], underWay: punches.map((_, punch) => punch), hasClosed: false, spoken: undefined };
    return merge(...punches.map(changesOf$)).pipe(
      scan(after, before),
      switchMap((holes) => choice$(holes, errors, scheduler)),
      take(1),
      tap((kept) => {
        opened.delete(kept);
        // Here, not when the watching ends: that is after its new owner has begun to read.
        kept.pause();
      }),
      finalize(() => {
        for (const socket of opened) socket.destroy();
      }),
    );
  });
}

/** Emits when the peer has sent something on a socket, which stays unread, or has closed it. */
function fateOf$(socket: Socket): Observable<Change> {
  return new Observable<Change>((subscriber) => {
    const onData = (chunk: Buffer) => {
      stop();
      socket.pause().unshift(chunk);
      subscriber.next({ type: 'spoke', socket });
      subscriber.complete();
    };
    const onClosed = () => {
      stop();
      subscriber.next({ type: 'closed', socket });
      subscriber.complete();
    };
    const stop = () => {
      socket.off('data', onData).off('end', onClosed).off('close', onClosed);
    };
    subscriber.add(stop);
    if (socket.destroyed) onClosed();
    else socket.on('data', onData).on('end', onClosed).on('close', onClosed).resume();
  });
}

function after(holes: Holes, change: Change): Holes {
  switch (change.type) {
    case 'opened':
      return { ...holes, open: [...holes.open, change.socket], underWay: without(holes.underWay, change.punch) };
    case 'over':
      return { ...holes, underWay: without(holes.underWay, change.punch) };
    case 'closed':
      return { ...holes, open: without(holes.open, change.socket), hasClosed: true };
    case 'spoke':
      return { ...holes, spoken: change.socket };
  }
}

function without<T>(list: readonly T[], gone: T): readonly T[] {
  return list.filter((each) => each !== gone);
}

/** The socket that the peer keeps, as soon as that is known; empty while several are possible. */
function choice$(
  { open: [first, ...others], underWay, hasClosed, spoken }: Holes,
  errors: readonly unknown[],
  scheduler: SchedulerLike,
): Observable<Socket> {
  const isTried = underWay.length === 0;
  if (spoken !== undefined) return of(spoken);
  if (first === undefined) {
    if (!isTried) return EMPTY;
    return throwError(() =>
      hasClosed
        ? new DialError('The peer closed every connection that opened')
        : new AggregateError(errors, 'No punch opened a connection'),
    );
  }
  if (!isTried && !hasClosed) return EMPTY;
  const waitMs = others.length > 0 ? SETTLE_MS : hasClosed ? CLOSING_MS : 0;
  return waitMs === 0 ? of(first) : timer(waitMs, scheduler).pipe(map(() => first));
}
