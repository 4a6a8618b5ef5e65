import { of, switchMap, tap } from 'rxjs';
import { networkLooks$ } from '../../lib/link/network-looks.js';
import { marbles } from '../support/marbles.js';

describe('A look at the network of this machine', () => {
  it('is taken at once, and then every so often, for as long as anybody wants to know', () => {
    marbles(({ expectObservable, scheduler }) => {
      let looks = 0;
      const routed$ = of([]).pipe(tap(() => looks++));
      const look$ = networkLooks$({ everyMs: 5, routed$, scheduler });
      expectObservable(look$, '^ -----------!');
      // Both see the same looks.
      expectObservable(look$, '^ -----------!');
      scheduler.flush();
      expect(looks).toBe(3);
    });
  });

  it('tells whether an address of the default routes is another than before', () => {
    marbles(({ expectObservable, scheduler }) => {
      const routes = [['192.0.2.1'], ['192.0.2.1'], ['192.0.2.2'], ['192.0.2.2'], []];
      let look = 0;
      const seen: boolean[] = [];
      const look$ = networkLooks$({
        everyMs: 5,
        routed$: of(undefined).pipe(
          tap(() => look++),
          switchMap(() => of(routes[look - 1] ?? [])),
        ),
        scheduler,
      }).pipe(tap(({ hasChanged }) => seen.push(hasChanged)));
      expectObservable(look$, '^ ----------------------!');
      scheduler.flush();
      expect(seen).toEqual([false, false, true, false, true]);
    });
  });
});
