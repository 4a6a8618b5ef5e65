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
import { BIRTHDAY_SOCKETS, PUNCH_RETRY_MAX_MS, PUNCH_RETRY_MIN_MS, synsOf$, type PunchPlan, type Syn } from './plan.js';
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
 * A port that no SYN has left for this long is listened on, in milliseconds: sooner than the SYN of a peer that sends at the
 * same moment gets here, and between two batches of the birthday plan, too.
 */
const LISTEN_AFTER_MS = 5;

/** Sockets taken in by listening, of which one would do: as many as the birthday plan of a peer may bring. */
const MAX_ACCEPTED = BIRTHDAY_SOCKETS;

/**
 * Sockets that are open hold up further SYNs for so long in all, in milliseconds, counted from the first: two round trips on a
 * slow path, in which the peer proves its key. It may be that of a stranger, who shares the peer's address or has its port.
 */
const HOLD_MS = 1_000;

/** Different reasons that a report may list. */
const MAX_REASONS = 8;

/**
 * What says that the SYN did not get through this time: RST, met while the SYN was under way (ECONNREFUSED) or while the
 * two SYNs crossed (ECONNRESET), or ICMP (RFC 5461 §2.2; RFC 5382 REQ-4 lets a NAT answer so).
 */
const REFUSALS: readonly unknown[] = ['ECONNREFUSED', 'ECONNRESET', 'EHOSTUNREACH'];

/**
 * Carries out this side's part of a punch: sends the plan's SYNs from its local ports, each again within 5 to 25 ms when it
 * was refused, and lets those that are only slow go on. While no SYN leaves, the port of the mapping is listened on, so that
 * a peer whose own port is not as predicted gets in where the NAT lets it. (A port that is listened on cannot be dialled
 * from: each SYN ends the listening for a moment.) Whatever the peer does, nothing is sent to any other address than the
 * plan's, and no more SYNs than it allows.
 *
 * Emits every socket that opens, paused, and there may be many: the caller chooses, and owns them all. While one of them is
 * open, no further SYN is sent: it will be the one, unless the caller finds that it is not the peer's, and closes it. That
 * puts the rest of the plan off, but by a second at most, since whoever it is may say nothing. Completes at the plan's
 * deadline, or when nothing is left to wait for. Unsubscribing closes at once whatever has not opened.
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
    // Not by `finalize`, which runs after the subscriber has heard of the end, and has told what it makes of it.
    return opened$.pipe(tap({ complete: tellOver, error: tellOver, unsubscribe: tellOver }));
  });
}

/** Listens on the plan's port while no SYN is leaving from it. Where that cannot be done nothing comes of it, and no harm. */
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
