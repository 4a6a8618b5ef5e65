import type { Socket } from 'node:net';
import {
  BehaviorSubject,
  catchError,
  defer,
  EMPTY,
  filter,
  identity,
  merge,
  mergeMap,
  retry,
  Subject,
  switchMap,
  take,
  takeUntil,
  tap,
  throwIfEmpty,
  timer,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import { familyOf } from '../../endpoint.js';
import { DialError, reasonOf } from '../../errors.js';
import { PUNCH_RETRY_MAX_MS, PUNCH_RETRY_MIN_MS, type PunchPlan } from './plan.js';
import { synsOf$, type Syn } from './syns.js';
import { BIRTHDAY_SOCKETS } from './birthday.js';
import { endpointsOf, type dial$, type listen$ } from '../../link/tcp.js';

/** What a punch needs. */
export interface PunchConfig {
  /** The local address to leave from. By default the system chooses. */
  readonly localAddress?: string | undefined;
  readonly dial$: typeof dial$;
  readonly listen$: typeof listen$;
  readonly scheduler: SchedulerLike;
  /** A number from 0 up to but not including 1. */
  readonly random: () => number;
  /** Called once, when the punch is over, however it ended: before its subscriber hears of an end or a failure. */
  readonly tell?: ((report: PunchReport) => void) | undefined;
}

/** What a punch did. */
export interface PunchReport {
  /** SYNs sent, counting those sent again after a refusal. */
  readonly sent: number;
  /** Those that somebody on the way answered with RST or an ICMP error. */
  readonly refused: number;
  /** Sockets that opened by a SYN of ours. */
  readonly opened: number;
  /** Sockets that opened by a SYN of the peer's alone, on the port that was listened on. */
  readonly accepted: number;
  /** How long it took, in milliseconds. */
  readonly elapsedMs: number;
  /** Why SYNs could not be sent at all, each reason once. */
  readonly reasons: readonly string[];
}

/**
 * When no SYN has left a port for this long, in milliseconds, the port is listened on. That is short enough to be listening
 * before a simultaneous SYN of the peer arrives, and between two batches of the birthday plan.
 */
const LISTEN_AFTER_MS = 5;

/** The most sockets accepted by listening, although one would do: as many as a peer's birthday plan may open. */
const MAX_ACCEPTED = BIRTHDAY_SOCKETS;

/**
 * How long open sockets hold back further SYNs in total, in milliseconds from the first: two round trips on a slow path, in which
 * the peer proves its key. A socket may be that of a stranger who shares the peer's address, so the time is limited.
 */
const HOLD_MS = 1_000;

/** Different reasons that a report may list. */
const MAX_REASONS = 8;

/**
 * Error codes of a SYN that was refused this time: by RST, while the SYN was under way (ECONNREFUSED) or while the two SYNs
 * crossed (ECONNRESET), or by ICMP (RFC 5461 §2.2; RFC 5382 REQ-4 lets a NAT answer so).
 */
const REFUSALS: readonly unknown[] = ['ECONNREFUSED', 'ECONNRESET', 'EHOSTUNREACH'];

/**
 * Carries out this side's part of a punch: sends the plan's SYNs from its local ports, each again within 5 to 25 ms when it
 * was refused, and lets those that are only slow go on. While no SYN leaves, the port of the mapping is listened on, so that
 * a peer whose own port is not as predicted gets in where the NAT lets it. (A port that is listened on cannot be dialled
 * from: each SYN ends the listening for a moment.) Whatever the peer does, nothing is sent to any other address than the
 * plan's, and no more SYNs than it allows.
 *
 * Emits every socket that opens, paused, and there may be many: the caller chooses, and owns them all. While one of them is open,
 * no further SYN is sent: it is probably the right one. If the caller finds that it is not the peer's, it closes it. That delays
 * the rest of the plan by a second at most, since a stranger's socket may stay silent. Completes at the plan's deadline, or when
 * nothing is left to wait for. Unsubscribing closes at once whatever has not opened.
 *
 * @throws DialError when nothing opened.
 *
 * @example
 * punch$(plan, systemRuntime)
 *   .pipe(mergeMap((socket) => secure$(socket, { context, role, peerId })), take(1))
 *   .subscribe(({ stream }) => stream.write('hello\n'));
 */
export function punch$(plan: PunchPlan, config: PunchConfig): Observable<Socket> {
  return defer(() => {
    const { scheduler, random, localAddress, tell } = config;
    const start = scheduler.now();
    const count = { sent: 0, refused: 0, opened: 0, accepted: 0 };
    const reasons = new Set<string>();
    const leaving = new Subject<void>();
    const alive$ = new BehaviorSubject(0);
    let holdUntil: number | undefined;
    const free$ = defer(() => {
      const isOver$ = timer(Math.max(0, (holdUntil ?? 0) - scheduler.now()), scheduler);
      return merge(alive$.pipe(filter((count) => count === 0)), isOver$).pipe(take(1));
    });
    const report = (): PunchReport => ({ ...count, elapsedMs: scheduler.now() - start, reasons: [...reasons] });
    const tellOver = () => tell?.(report());

    const send$ = ({ localPort, remotePort }: Syn): Observable<Socket> =>
      defer(() => {
        if (count.sent >= plan.maxSyns) return EMPTY;
        count.sent++;
        if (localPort === plan.listenPort) leaving.next();
        return config.dial$({ host: plan.address, port: remotePort, localAddress, localPort });
      }).pipe(
        retry({
          delay: (error: unknown) => {
            if (!isRefusal(error)) throw error;
            count.refused++;
            const pauseMs = PUNCH_RETRY_MIN_MS + random() * (PUNCH_RETRY_MAX_MS - PUNCH_RETRY_MIN_MS);
            return timer(pauseMs, scheduler).pipe(switchMap(() => free$));
          },
        }),
        catchError((error: unknown) => {
          if (reasons.size < MAX_REASONS) reasons.add(reasonOf(error));
          return EMPTY;
        }),
        tap(() => count.opened++),
        plan.synMs === undefined ? identity : takeUntil(timer(plan.synMs, scheduler)),
      );

    const sent$ = synsOf$(plan, scheduler, free$).pipe(
      mergeMap(send$),
      tap({
        complete: () => {
          leaving.complete();
        },
      }),
    );
    const came$ = acceptWhileQuiet$(plan, config, leaving).pipe(tap(() => count.accepted++));
    const opened$ = merge(came$, sent$).pipe(
      tap((socket) => {
        holdUntil ??= scheduler.now() + HOLD_MS;
        alive$.next(alive$.value + 1);
        socket.once('close', () => {
          alive$.next(alive$.value - 1);
        });
      }),
      takeUntil(timer(plan.deadlineMs, scheduler)),
      throwIfEmpty(() => failureOf(plan, report())),
    );
    // Not with `finalize`, which runs only after the subscriber has handled the end and reported it.
    return opened$.pipe(tap({ complete: tellOver, error: tellOver, unsubscribe: tellOver }));
  });
}

/** Listens on the plan's port while no SYN is leaving from it. If listening fails, the punch goes on without it. */
function acceptWhileQuiet$(
  { address, listenPort }: PunchPlan,
  { listen$, localAddress, scheduler }: PunchConfig,
  leaving$: Observable<void>,
): Observable<Socket> {
  if (listenPort === undefined) return EMPTY;
  const where = { address: localAddress ?? (familyOf(address) === 4 ? '0.0.0.0' : '::'), port: listenPort };
  let left = MAX_ACCEPTED;
  return leaving$.pipe(
    switchMap(() =>
      timer(LISTEN_AFTER_MS, scheduler).pipe(
        switchMap(() => listen$(where)),
        switchMap(({ socket$ }) => socket$),
        catchError(() => EMPTY),
      ),
    ),
    filter((socket) => {
      const isPeer = endpointsOf(socket).remote.address === address && left-- > 0;
      if (!isPeer) socket.destroy();
      return isPeer;
    }),
  );
}

function isRefusal(error: unknown): boolean {
  const cause = error instanceof DialError ? error.cause : undefined;
  return typeof cause === 'object' && cause !== null && 'code' in cause && REFUSALS.includes(cause.code);
}

function failureOf({ address, deadlineMs }: PunchPlan, count: PunchReport): DialError {
  const { sent, refused, reasons } = count;
  const details = [`${sent} ${sent === 1 ? 'SYN' : 'SYNs'}, ${refused} refused`, ...reasons].join('; ');
  return new DialError(`${address} did not open a connection within ${deadlineMs} ms: ${details}`);
}
