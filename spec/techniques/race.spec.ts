import { catchError, NEVER, noop, of, switchMap, throwError, type Observable } from 'rxjs';
import { connectBy } from '../../lib/techniques/race.js';
import { ConnectError, DialError, PeerMismatchError } from '../../lib/errors.js';
import type { Link } from '../../lib/link/link.js';
import type { Technique } from '../../lib/techniques/technique.js';
import type { TraceStep } from '../../lib/trace.js';
import { attemptOf, linkOf, techniqueOf } from '../support/attempts.js';
import { peerIdOf } from '../support/locators.js';
import { marbles, type Marbles } from '../support/marbles.js';
import { record } from '../support/record.js';

/** A fake technique that does what its marbles say: `l` is its link. */
interface Fake extends Technique {
  readonly link: Link;
  readonly subscriptions: ReturnType<Marbles['cold']>['subscriptions'];
}

interface World extends Marbles {
  readonly fake: (name: string, marbles: string, error?: unknown, isDirect?: boolean) => Fake;
  /** What `connectBy` makes of these stages; a ConnectError as a value, which tells more in a spec. */
  readonly connect$: (stages: readonly (readonly Technique[])[]) => Observable<Link | ConnectError>;
  readonly steps: TraceStep[];
}

function world(spec: (world: World) => void): void {
  marbles((helpers) => {
    const steps: TraceStep[] = [];
    spec({
      ...helpers,
      steps,
      fake: (name, diagram, error, direct = true) => {
        const link = { ...linkOf(name), direct };
        const source$ = helpers.cold(diagram, { l: link }, error);
        return {
          ...techniqueOf(
            name,
            switchMap(() => source$),
          ),
          link,
          subscriptions: source$.subscriptions,
        };
      },
      connect$: (stages) =>
        of(attemptOf(helpers.scheduler)).pipe(
          connectBy(
            stages.map((techniques) => ({ techniques, lead: 1 })),
            (step) => steps.push(step),
          ),
          catchError((error: unknown) => {
            if (error instanceof ConnectError) return of(error);
            throw error;
          }),
        ),
    });
  });
}

/** Each attempt that failed, without its error. */
function outcomesOf(failure: unknown): readonly (readonly [technique: string, reason: string, elapsedMs: number])[] {
  expect(failure).toBeInstanceOf(ConnectError);
  if (!(failure instanceof ConnectError)) return [];
  return failure.attempts.map(({ technique, reason, elapsedMs }) => [technique, reason, elapsedMs]);
}

/** Runs the stages to their failure. */
function failureOf(stagesOf: (fake: World['fake']) => readonly (readonly Technique[])[]): unknown {
  let failure: unknown;
  world(({ fake, connect$ }) => {
    connect$(stagesOf(fake)).subscribe({
      next: (value) => {
        failure = value;
      },
      error: fail,
    });
  });
  return failure;
}

describe('connecting', () => {
  it('gives a stage the head start in milliseconds that it names, whatever the round trips', () => {
    marbles(({ scheduler, cold, expectObservable, expectSubscriptions }) => {
      const attempt = { ...attemptOf(scheduler), roundTripMs: 1 };
      const l = linkOf('second');
      const [first$, second$] = [cold('-------', { l }), cold('-l', { l })];
      const stages = [first$, second$].map((source$, index) => ({
        techniques: [
          techniqueOf(
            `t${index}`,
            switchMap(() => source$),
          ),
        ],
        lead: 1,
        leadMs: 5,
      }));
      const is$ = of(attempt).pipe(connectBy(stages, noop));
      expectObservable(is$).toBe('------(l|)', { l });
      expectSubscriptions(second$.subscriptions).toBe('-----^!');
    });
  });

  it('takes the first link and unsubscribes from the others', () => {
    world(({ fake, connect$, expectObservable, expectSubscriptions }) => {
      const [a, b] = [fake('a', '-----(l|)'), fake('b', '--(l|)')];
      expectObservable(connect$([[a, b]])).toBe('--(l|)', { l: b.link });
      expectSubscriptions(a.subscriptions).toBe('^-!');
      expectSubscriptions(b.subscriptions).toBe('^-!');
    });
  });

  it('is not ended by a technique that fails early', () => {
    world(({ fake, connect$, expectObservable }) => {
      const [a, b] = [fake('a', '#'), fake('b', '----(l|)')];
      expectObservable(connect$([[a, b]])).toBe('----(l|)', { l: b.link });
    });
  });

  it('gives each stage a head start over the next', () => {
    world(({ fake, connect$, expectObservable, expectSubscriptions }) => {
      const [a, b, c] = [fake('a', '---------'), fake('b', '---------'), fake('c', '----(l|)')];
      expectObservable(connect$([[a], [b, c]])).toBe('-------(l|)', { l: c.link });
      expectSubscriptions(a.subscriptions).toBe('^------!');
      expectSubscriptions(b.subscriptions).toBe('---^---!');
      expectSubscriptions(c.subscriptions).toBe('---^---!');
    });
  });

  it('begins the next stage when all of this one have failed, and not before', () => {
    world(({ fake, connect$, expectObservable, expectSubscriptions }) => {
      const [a, b, c] = [fake('a', '#'), fake('b', '-#'), fake('c', '-(l|)')];
      expectObservable(connect$([[a, b], [c]])).toBe('--(l|)', { l: c.link });
      expectSubscriptions(c.subscriptions).toBe('-^!');
    });
  });

  it('does not begin the later stages when an earlier one is quick', () => {
    world(({ fake, connect$, expectObservable, expectSubscriptions }) => {
      const [a, b] = [fake('a', '--(l|)'), fake('b', '(l|)')];
      expectObservable(connect$([[a], [b]])).toBe('--(l|)', { l: a.link });
      expectSubscriptions(b.subscriptions).toBe([]);
    });
  });

  it('unsubscribed from, gives every technique up', () => {
    world(({ fake, connect$, expectObservable, expectSubscriptions }) => {
      const [a, b] = [fake('a', '---------'), fake('b', '---------')];
      expectObservable(connect$([[a], [b]]), '^----!').toBe('------');
      expectSubscriptions(a.subscriptions).toBe('^----!');
      expectSubscriptions(b.subscriptions).toBe('---^-!');
    });
  });

  it('gives each technique its time, after which the others still have theirs', () => {
    world(({ fake, connect$, expectObservable, expectSubscriptions }) => {
      const [a, b] = [fake('a', '- 40ms (l|)'), fake('b', '- 18ms (l|)')];
      expectObservable(connect$([[a], [b]])).toBe('22ms (l|)', { l: b.link });
      expectSubscriptions(a.subscriptions).toBe('^ 19ms !');
    });
  });

  it('goes on after a relayed link until there is a direct one, which ends the others', () => {
    world(({ fake, connect$, expectObservable, expectSubscriptions }) => {
      const relayed = fake('relay', '-(l|)', undefined, false);
      const [a, b] = [fake('a', '-------(l|)'), fake('b', '---------')];
      expectObservable(connect$([[relayed], [a, b]])).toBe('-r--------(a|)', { r: relayed.link, a: a.link });
      expectSubscriptions(b.subscriptions).toBe('---^------!');
    });
  });

  it('succeeds when only a relayed link does', () => {
    world(({ fake, connect$, expectObservable }) => {
      const relayed = fake('relay', '-(l|)', undefined, false);
      expectObservable(connect$([[fake('a', '#')], [relayed], [fake('b', '--#')]])).toBe('-r---|', {
        r: relayed.link,
      });
    });
  });
});

describe('a failed connect', () => {
  it('is a ConnectError with the outcome of every technique of every stage, in their order', () => {
    const failure = failureOf((fake) => [
      [fake('a', '----#', new Error('refused')), fake('b', '--#', 'odd')],
      [fake('c', '30ms -')],
    ]);
    expect(outcomesOf(failure)).toEqual([
      ['a', 'refused', 4],
      ['b', 'odd', 2],
      ['c', 'It did not connect within 20 ms', 20],
    ]);
    expect(failure).toEqual(jasmine.objectContaining({ code: 'CONNECT_FAILED', peerId: peerIdOf(7) }));
  });

  it('says of a technique that ran out of time that the clocks are apart, where signals have shown it', () => {
    marbles(({ scheduler, flush }) => {
      const clockOf = (peerId: string) => (peerId === peerIdOf(7) ? "the peer's clock is 5 minutes behind" : undefined);
      const signalling = { send$: () => NEVER, signal$: NEVER, clockOf };
      const techniques = [
        techniqueOf(
          'silent',
          switchMap(() => NEVER),
        ),
        techniqueOf(
          'refused',
          switchMap(() => throwError(() => new Error('refused'))),
        ),
      ];
      const attempt$ = of(attemptOf(scheduler, { signalling }));
      const outcome = record(attempt$.pipe(connectBy([{ techniques, lead: 1 }], () => undefined)));
      flush();
      expect(outcomesOf(outcome.error).map(([, reason]) => reason)).toEqual([
        "It did not connect within 20 ms; the peer's clock is 5 minutes behind",
        'refused',
      ]);
    });
  });

  it('lists a technique that ended without a link, too', () => {
    const outcomes = outcomesOf(failureOf((fake) => [[fake('a', '--|'), fake('b', '#', new Error('refused'))]]));
    expect(outcomes.map(([technique]) => technique)).toEqual(['a', 'b']);
    expect(outcomes[0]).toEqual(['a', jasmine.stringMatching(/without a link/), 2]);
  });

  it('lists nothing when there was nothing to try', () => {
    for (const stages of [[], [[]], [[], []]]) expect(outcomesOf(failureOf(() => stages))).toEqual([]);
  });

  it('keeps each error, and of several dials of one technique that somebody else answered', () => {
    const dial = new DialError('refused');
    const mismatch = new PeerMismatchError('wanted', 'other');
    const failure = failureOf((fake) => [
      [
        fake('one', '#', dial),
        fake('single', '#', new AggregateError([dial])),
        fake('several', '#', new AggregateError([dial, mismatch])),
      ],
    ]);
    const errors = failure instanceof ConnectError ? failure.attempts.map(({ error }) => error) : [];
    expect(errors).toEqual([dial, dial, mismatch]);
    expect(outcomesOf(failure).map(([, reason]) => reason)).toEqual([
      'refused',
      'refused',
      `refused; ${mismatch.message}`,
    ]);
  });
});

describe('what is told of an attempt', () => {
  it('is how each technique began and ended', () => {
    const told: string[] = [];
    world(({ fake, connect$, steps, flush }) => {
      const stages = [[fake('a', '-#', new Error('refused')), fake('b', '-----')], [fake('c', '-(l|)')]];
      connect$(stages).subscribe({ error: fail });
      flush();
      for (const step of steps) {
        if (step.type !== 'technique') continue;
        told.push([step.technique, step.outcome, step.elapsedMs, step.reason].join(' ').trim());
        expect(step.attemptId).toBe('attempt');
      }
    });
    expect(told).toEqual([
      'a started 0',
      'b started 0',
      'a failed 1 refused',
      'c started 0',
      'c succeeded 1',
      'b cancelled 4',
    ]);
  });
});
