import {
  catchError,
  of,
  switchMap,
  takeWhile,
  throwError,
  throwIfEmpty,
  type Observable,
  type OperatorFunction,
} from 'rxjs';
import { ConnectError, DialError, PeerMismatchError, reasonOf, TimeoutError, type AttemptFailure } from '../errors.js';
import type { Link } from '../link/link.js';
import { firstToSucceed } from '../operators/first-to-succeed.js';
import { headStart } from '../operators/head-start.js';
import { mergeSuccesses } from '../operators/merge-successes.js';
import { traceOutcome } from '../operators/trace-outcome.js';
import { within } from '../operators/within.js';
import type { Attempt, Stages, Technique } from './technique.js';
import type { AttemptTrace } from './steps.js';
import { peerNameOf } from '../unl.js';

/**
 * The strategy. The techniques of one stage race; each stage has a head start over the next. Emits each link whose peer is
 * proven, until one is direct; then the other techniques are unsubscribed from, which closes their sockets. So a relayed link
 * carries lines while a direct one is still being made.
 *
 * @throws ConnectError with the outcome of every technique, when none succeeds.
 */
export function connectBy(stages: Stages, trace: AttemptTrace): OperatorFunction<Attempt, Link> {
  return (attempt$) =>
    attempt$.pipe(
      switchMap((attempt) =>
        headStart(
          stages.map(({ techniques }) => firstToSucceed(techniques.map((technique) => run(technique, attempt, trace)))),
          stages.map((stage) => stage.leadMs ?? leadMs(stage.lead, attempt)),
          attempt.scheduler,
          mergeSuccesses,
        ).pipe(
          takeWhile(({ direct }) => !direct, true),
          catchError((error: unknown) => throwError(() => connectErrorOf(attempt, error))),
        ),
      ),
    );
}

/** The bounds of the Connection Attempt Delay (RFC 8305 §5), in milliseconds. */
const LEAD_MIN_MS = 10;
const LEAD_MAX_MS = 2_000;

/** A head start in milliseconds: so many round trips between the two nodes, as far as that is known. */
function leadMs(roundTrips: number, { roundTripMs, timing }: Attempt): number {
  if (roundTrips === 0) return 0;
  if (roundTripMs === undefined) return timing.staggerMs;
  return Math.min(LEAD_MAX_MS, Math.max(LEAD_MIN_MS, roundTrips * roundTripMs));
}

/** A technique's failure, with its name and time. */
class TechniqueError extends Error {
  constructor(readonly failure: AttemptFailure) {
    super(failure.reason, { cause: failure.error });
  }
}

function run(technique: Technique, attempt: Attempt, trace: AttemptTrace): Observable<Link> {
  let elapsedMs = 0;
  return of(attempt).pipe(
    technique.dial,
    throwIfEmpty(() => new DialError('The technique ended without a link')),
    within(attempt.timing.techniqueMs, 'It did not connect', attempt.scheduler),
    traceOutcome(attempt.scheduler, (outcome) => {
      elapsedMs = outcome.elapsedMs;
      trace({ type: 'technique', attemptId: attempt.id, technique: technique.name, ...outcome });
    }),
    catchError((error: unknown) => {
      throw new TechniqueError({
        technique: technique.name,
        reason: [reasonOf(error), ...clockOf(attempt, error)].join('; '),
        elapsedMs,
        error: mostTelling(error),
      });
    }),
  );
}

/** A peer that drops this node's signals because of their time never answers. So when the clocks differ, the error says that. */
function clockOf({ peer, signalling }: Attempt, error: unknown): string[] {
  const words = peer.version === 3 && error instanceof TimeoutError ? signalling.clockOf?.(peer.peerId) : undefined;
  return words === undefined ? [] : [words];
}

function connectErrorOf({ peer }: Attempt, error: unknown): ConnectError {
  return new ConnectError(peerNameOf(peer), failuresIn(error), { cause: error });
}

function failuresIn(error: unknown): AttemptFailure[] {
  if (error instanceof TechniqueError) return [error.failure];
  return error instanceof AggregateError ? error.errors.flatMap(failuresIn) : [];
}

/** If another peer answered, that is the failure that the caller must know of. */
function mostTelling(error: unknown): unknown {
  if (!(error instanceof AggregateError)) return error;
  const errors: readonly unknown[] = error.errors;
  return errors.find((part) => part instanceof PeerMismatchError) ?? (errors.length === 1 ? errors[0] : error);
}
