import { catchError, defer, delay, EMPTY, NEVER, of, switchMap, throwError, timer, type Observable } from 'rxjs';
import { HttpError, TimeoutError } from '../../lib/errors.js';
import { holdLease$, type Lease } from '../../lib/port-mapping/hold-lease.js';
import { marbles, type Marbles } from '../support/marbles.js';

/** The names stand for leases of 10 ms; upper-case ones are for good. */
type Name = 'a' | 'b' | 'c' | 'd' | 'P';

interface NamedLease extends Lease {
  readonly name: Name;
}

const LEASES: Readonly<Record<Name, NamedLease>> = {
  a: { name: 'a', lifetimeMs: 10 },
  b: { name: 'b', lifetimeMs: 10 },
  c: { name: 'c', lifetimeMs: 10 },
  d: { name: 'd', lifetimeMs: 10 },
  P: { name: 'P', lifetimeMs: Infinity },
};

const YEAR_MS = 365 * 24 * 3600 * 1000;

/** What the landlord was asked and given back, with the times. */
interface Ledger {
  readonly asked: (readonly [atMs: number, held: Name | undefined])[];
  /** When what was never answered was undone. */
  readonly takenBack: number[];
  readonly released: (readonly [atMs: number, lease: Name])[];
}

/** Holds a lease in virtual time from a landlord whose answers are given in their order; the last is repeated. */
function hold(
  { scheduler }: Marbles,
  answers: readonly Observable<NamedLease>[],
  lost$: (held: NamedLease) => Observable<unknown> = () => NEVER,
): Ledger & { readonly held$: Observable<NamedLease> } {
  const ledger: Ledger = { asked: [], takenBack: [], released: [] };
  const held$ = holdLease$<NamedLease>({
    ask$: (held) => {
      const answer = answers[Math.min(ledger.asked.length, answers.length - 1)];
      ledger.asked.push([scheduler.now(), held?.name]);
      return answer ?? NEVER;
    },
    lost$,
    release$: ({ name }) => {
      ledger.released.push([scheduler.now(), name]);
      return EMPTY;
    },
    takeBack$: defer(() => {
      ledger.takenBack.push(scheduler.now());
      return EMPTY;
    }),
    runToEnd: (work$) => {
      work$.subscribe();
    },
    scheduler,
    // The pauses of the backoff at their full length: 1 s, 2 s, 4 s …
    random: () => 1,
  });
  return { ...ledger, held$ };
}

/** Ends the virtual time and then looks at what happened, since marbles are only run at the end. */
function ending(spec: (marbles: Marbles) => () => void): void {
  let look = (): void => undefined;
  marbles((all) => {
    look = spec(all);
  });
  look();
}

/** In the place of a failure its name. */
const failuresByName = () =>
  catchError((error: unknown) => of(error instanceof Error ? error.constructor.name : 'nothing'));

describe('holdLease$', () => {
  it('asks for a lease, and again at half of its lifetime, naming the one that is held', () => {
    ending((all) => {
      const { cold, expectObservable } = all;
      const { held$, asked, released } = hold(all, [
        cold('-(a|)', LEASES),
        cold('--(b|)', LEASES),
        cold('(c|)', LEASES),
        NEVER,
      ]);
      expectObservable(held$, '^---------------!').toBe('-a------b----c--', LEASES);
      return () => {
        expect(asked).toEqual([
          [0, undefined],
          [6, 'a'],
          [13, 'b'],
        ]);
        expect(released).toEqual([[16, 'c']]);
      };
    });
  });

  it('asks at once when the one that is held is lost', () => {
    ending((all) => {
      const { cold, expectObservable } = all;
      const lost$ = ({ name }: NamedLease) => (name === 'a' ? cold('--x') : NEVER);
      const { held$, asked } = hold(all, [cold('(a|)', LEASES), cold('-(b|)', LEASES), NEVER], lost$);
      expectObservable(held$, '^----!').toBe('a--b--', LEASES);
      return () => {
        expect(asked).toEqual([
          [0, undefined],
          [2, 'a'],
        ]);
      };
    });
  });

  it('asks once for a loss, however often it is told of it, and stops looking meanwhile', () => {
    ending((all) => {
      const { cold, expectObservable, expectSubscriptions } = all;
      const lost = cold('-xxxxxx');
      const { held$, asked } = hold(all, [cold('(a|)', LEASES), NEVER], () => lost);
      expectObservable(held$, '^----!').toBe('a', LEASES);
      expectSubscriptions(lost.subscriptions).toBe('^!');
      return () => {
        expect(asked).toHaveSize(2);
      };
    });
  });

  it('tries again with growing pauses until the lease runs out, and then fails, giving the lease back', () => {
    ending((all) => {
      const { cold, expectObservable, scheduler } = all;
      const long = { name: 'a' as const, lifetimeMs: 20_000 };
      const refused = throwError(() => new Error('refused'));
      const { held$, asked, released } = hold(all, [of(long).pipe(delay(1, scheduler)), refused]);
      const failure = new Error('It was granted for 20000 ms and could not be renewed');
      expectObservable(held$).toBe('-a 19999ms #', { a: long }, failure);
      expectObservable(cold('|')).toBe('|');
      return () => {
        // At half of the lifetime, then 1, 2 and 4 s later; the next would be after the end.
        expect(asked.map(([at]) => at)).toEqual([0, 10_001, 11_001, 13_001, 17_001]);
        expect(released).toEqual([[20_001, 'a']]);
      };
    });
  });

  it('goes on when a later try succeeds', () => {
    ending((all) => {
      const { cold, expectObservable } = all;
      const long = { name: 'a' as const, lifetimeMs: 20_000 };
      const { held$, released } = hold(all, [of(long), cold('#'), cold('-(b|)', LEASES), NEVER]);
      expectObservable(held$, '^ 11003ms !').toBe('a 11000ms b', { ...LEASES, a: long });
      return () => {
        expect(released).toEqual([[11_004, 'b']]);
      };
    });
  });

  it('fails with what the first try fails with, asks no more, and has nothing to give back', () => {
    ending((all) => {
      const { cold, expectObservable } = all;
      const { held$, asked, released } = hold(all, [cold('--#', undefined, 'refused')]);
      expectObservable(held$).toBe('--#', undefined, 'refused');
      return () => {
        expect(asked).toHaveSize(1);
        expect(released).toEqual([]);
      };
    });
  });

  it('undoes a request that was never answered before it fails, within a time limit', () => {
    marbles((helpers) => {
      const silence = timer(3).pipe(switchMap(() => throwError(() => new TimeoutError('It did not answer'))));
      const { held$, takenBack } = hold(helpers, [silence]);
      helpers.expectObservable(held$.pipe(failuresByName())).toBe('---(x|)', { x: 'TimeoutError' });
      helpers.flush();
      expect(takenBack).toEqual([3]);
    });
  });

  it('undoes a request with an unreadable answer before it fails, since it may have been granted', () => {
    marbles((helpers) => {
      const garbage = timer(3).pipe(switchMap(() => throwError(() => new HttpError('Expected XML'))));
      const { held$, takenBack } = hold(helpers, [garbage]);
      helpers.expectObservable(held$.pipe(failuresByName())).toBe('---(x|)', { x: 'HttpError' });
      helpers.flush();
      expect(takenBack).toEqual([3]);
    });
  });

  it('undoes a request with an unreadable answer after unsubscribing', () => {
    for (const error of [new TimeoutError('It did not answer'), new HttpError('Expected XML')]) {
      marbles((helpers) => {
        const late = timer(3).pipe(switchMap(() => throwError(() => error)));
        const { held$, takenBack } = hold(helpers, [late]);
        helpers.expectObservable(held$, '-^!').toBe('-');
        helpers.flush();
        expect(takenBack).toEqual([4]);
      });
    }
  });

  it('undoes nothing when it was refused', () => {
    marbles((helpers) => {
      const { held$, takenBack } = hold(helpers, [throwError(() => new Error('no'))]);
      helpers.expectObservable(held$.pipe(failuresByName())).toBe('(x|)', { x: 'Error' });
      helpers.flush();
      expect(takenBack).toEqual([]);
    });
  });

  it('treats an answer without a lease as a failure', () => {
    let error: unknown;
    marbles((all) => {
      hold(all, [EMPTY]).held$.subscribe({
        error: (reason: unknown) => {
          error = reason;
        },
      });
    });
    expect(error).toEqual(jasmine.objectContaining({ name: 'EmptyError' }));
  });

  it('unsubscribed while the first is asked for, waits for the answer and gives the lease back', () => {
    ending((all) => {
      const { cold, expectObservable, expectSubscriptions } = all;
      const answer = cold('-----(a|)', LEASES);
      const { held$, released } = hold(all, [answer]);
      expectObservable(held$, '^-!').toBe('---');
      expectSubscriptions(answer.subscriptions).toBe('^----!');
      return () => {
        expect(released).toEqual([[5, 'a']]);
      };
    });
  });

  it('unsubscribed while the first is asked for, gives nothing back when it is refused after all', () => {
    ending((all) => {
      const { cold, expectObservable } = all;
      const { held$, released } = hold(all, [cold('-----#')]);
      expectObservable(held$, '^-!').toBe('---');
      return () => {
        expect(released).toEqual([]);
      };
    });
  });

  it('unsubscribed while it renews, waits for the answer and gives back what it got', () => {
    ending((all) => {
      const { cold, expectObservable } = all;
      const { held$, released } = hold(all, [cold('(a|)', LEASES), cold('---(b|)', LEASES)]);
      expectObservable(held$, '^-----!').toBe('a', LEASES);
      return () => {
        expect(released).toEqual([[8, 'b']]);
      };
    });
  });

  it('gives back the earlier lease when the renewal fails after it was unsubscribed from', () => {
    ending((all) => {
      const { cold, expectObservable } = all;
      const { held$, released } = hold(all, [cold('(a|)', LEASES), cold('---#', LEASES)]);
      expectObservable(held$, '^-----!').toBe('a', LEASES);
      return () => {
        expect(released).toEqual([[8, 'a']]);
      };
    });
  });

  it('gives back the earlier lease when it is unsubscribed from between two tries', () => {
    ending((all) => {
      const { cold, expectObservable } = all;
      const long = { name: 'a' as const, lifetimeMs: 20_000 };
      const { held$, released } = hold(all, [of(long), cold('#')]);
      expectObservable(held$, '^ 11999ms !').toBe('a', { a: long });
      return () => {
        expect(released).toEqual([[12_000, 'a']]);
      };
    });
  });

  it('never renews a permanent one, unless it is lost', () => {
    ending((all) => {
      const { cold, expectObservable } = all;
      const lost$ = ({ name }: NamedLease) => (name === 'P' ? timer(YEAR_MS, all.scheduler) : NEVER);
      const { held$, asked, released } = hold(all, [of(LEASES.P), cold('(a|)', LEASES), NEVER], lost$);
      expectObservable(held$, `^ ${YEAR_MS + 2}ms !`).toBe(`P ${YEAR_MS - 1}ms a`, LEASES);
      return () => {
        expect(asked.map(([at]) => at)).toEqual([0, YEAR_MS]);
        expect(released).toEqual([[YEAR_MS + 3, 'a']]);
      };
    });
  });

  it('renews one that is longer than any timer in time, and does not take the timer’s end for its own', () => {
    ending((all) => {
      const { cold, expectObservable } = all;
      // The longest that NAT-PMP and PCP know: 136 years.
      const longest = { name: 'a' as const, lifetimeMs: (2 ** 32 - 1) * 1000 };
      const { held$, asked } = hold(all, [of(longest), cold('-(b|)', LEASES), NEVER]);
      const seen: unknown[] = [];
      held$.subscribe({
        next: ({ name }) => seen.push(name),
        error: (error: unknown) => seen.push(error),
      });
      // So long that both of Node's longest timers have ended.
      expectObservable(timer(YEAR_MS, all.scheduler)).toBe(`${YEAR_MS}ms (a|)`, { a: 0 });
      return () => {
        expect(seen.slice(0, 2)).toEqual(['a', 'b']);
        expect(asked[1]?.[0]).toBeLessThanOrEqual(longest.lifetimeMs / 2);
      };
    });
  });

  it('can still be unsubscribed from when a permanent one was lost and refused for weeks', () => {
    ending((all) => {
      const { cold, expectObservable } = all;
      const refused = throwError(() => new Error('refused'));
      const { held$, asked, released } = hold(all, [of(LEASES.P), refused], () => cold('-x'));
      expectObservable(held$, `^ ${YEAR_MS / 12 - 1}ms !`).toBe('P', LEASES);
      return () => {
        expect(asked.length).toBeGreaterThan(40_000);
        expect(released).toEqual([[YEAR_MS / 12, 'P']]);
      };
    });
  });

  it('begins anew for each subscriber', () => {
    ending((all) => {
      const { cold, expectObservable } = all;
      const { held$, released } = hold(all, [cold('(a|)', LEASES), cold('(b|)', LEASES)]);
      expectObservable(held$, '^--!').toBe('a', LEASES);
      expectObservable(held$, '----^--!').toBe('----b', LEASES);
      return () => {
        expect(released).toEqual([
          [3, 'a'],
          [7, 'b'],
        ]);
      };
    });
  });
});
