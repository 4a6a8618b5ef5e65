import { catchError, of, switchMap, throwError, throwIfEmpty, type Observable, type OperatorFunction } from 'rxjs';
import { ConnectError, DialError, PeerMismatchError, reasonOf, type AttemptFailure } from './errors.js';
import type { Link } from './link/link.js';
import { firstToSucceed } from './operators/first-to-succeed.js';
import { headStart } from './operators/head-start.js';
import { traceOutcome } from './operators/trace-outcome.js';
import { within } from './operators/within.js';
import type { Attempt, Stages, Technique } from './techniques/technique.js';
import type { Trace } from './trace.js';
import { peerNameOf } from './unl.js';

/**
 * The strategy: in each stage the techniques race, the stages start one after the other with a head start each, and the
 * first link that proves the peer wins. The losers are unsubscribed from, which closes what they had open.
 *
 * @throws ConnectError with the outcome of every technique, when none succeeds.
 */
export function connectBy(stages: Stages, trace: Trace): OperatorFunction<Attempt, Link> {
  return (attempt$) =>
    attempt$.pipe(
      switchMap((attempt) =>
        headStart(
          stages.map((stage) => firstToSucceed(stage.map((technique) => run(technique, attempt, trace)))),
          attempt.timing.staggerMs,
          attempt.scheduler,
        ).pipe(catchError((error: unknown) => throwError(() => connectErrorOf(attempt, error)))),
      ),
    );
}

/** A technique's failure, with its name and time. */
class TechniqueError extends Error {
  constructor(readonly failure: AttemptFailure) {
    super(failure.reason, { cause: failure.error });
  }
}

function run(technique: Technique, attempt: Attempt, trace: Trace): Observable<Link> {
  let elapsedMs = 0;
  return of(attempt).pipe(
    technique.dial,
    throwIfEmpty(() => new DialError('It ended without a link')),
    within(attempt.timing.techniqueMs, 'It did not connect', attempt.scheduler),
    traceOutcome(attempt.scheduler, (outcome) => {
      elapsedMs = outcome.elapsedMs;
      trace({ type: 'technique', attemptId: attempt.id, technique: technique.name, ...outcome });
    }),
    catchError((error: unknown) => {
      throw new TechniqueError({
        technique: technique.name,
        reason: reasonOf(error),
        elapsedMs,
        error: mostTelling(error),
      });
    }),
  );
}

function connectErrorOf({ peer }: Attempt, error: unknown): ConnectError {
  return new ConnectError(peerNameOf(peer), failuresIn(error), { cause: error });
}

function failuresIn(error: unknown): AttemptFailure[] {
  if (error instanceof TechniqueError) return [error.failure];
  return error instanceof AggregateError ? error.errors.flatMap(failuresIn) : [];
}

/** Of several failures, that somebody else answered is what the caller must know. */
function mostTelling(error: unknown): unknown {
  if (!(error instanceof AggregateError)) return error;
  const errors: readonly unknown[] = error.errors;
  return errors.find((part) => part instanceof PeerMismatchError) ?? (errors.length === 1 ? errors[0] : error);
}
