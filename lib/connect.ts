import { catchError, of, switchMap, throwError, type Observable, type OperatorFunction } from 'rxjs';
import { ConnectError, reasonOf, type AttemptFailure } from './errors.js';
import type { Link } from './link/link.js';
import { firstToSucceed } from './operators/first-to-succeed.js';
import { headStart } from './operators/head-start.js';
import { traceOutcome } from './operators/trace-outcome.js';
import type { Attempt, Technique } from './techniques/technique.js';
import type { Trace } from './trace.js';
import { peerNameOf } from './unl.js';

/** Techniques that are tried side by side; each stage has a head start over the next. */
export type Stages = readonly (readonly Technique[])[];

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
    traceOutcome(attempt.scheduler, (outcome) => {
      elapsedMs = outcome.elapsedMs;
      trace({ type: 'technique', attemptId: attempt.id, technique: technique.name, ...outcome });
    }),
    catchError((error: unknown) => {
      throw new TechniqueError({ technique: technique.name, reason: reasonOf(error), elapsedMs, error });
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
