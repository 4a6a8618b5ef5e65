import { ReplaySubject } from 'rxjs';
import type { Need } from '../../lib/connection/transport/link-choice.js';
import { keepUp$ } from '../../lib/net/keep-up.js';
import type { Unl } from '../../lib/unl/types.js';
import { unlOf } from '../support/locators.js';
import { marbles, type Marbles } from '../support/marbles.js';

const NEEDS = { n: 'none', a: 'any', d: 'direct' } as const satisfies Record<string, Need>;
/** Somewhere, and somewhere else. */
const PLACES = {
  p: unlOf({ endpoints: [{ kind: 'wan', address: '192.0.2.1', port: 1 }] }),
  q: unlOf({ endpoints: [{ kind: 'wan', address: '192.0.2.2', port: 1 }] }),
};

/** What is given as marbles; a look takes as long as its marbles, and by default is for ever. */
interface Story {
  readonly need: string;
  readonly peer?: string;
  readonly own?: string;
  readonly changed?: string;
  readonly roundTripMs?: number;
  readonly isOurs?: boolean;
  readonly look?: string;
}

describe('looking for the links that a connection needs', () => {
  /** When it looks, what for and where, and when each look ends. */
  function looksOf({ cold, scheduler }: Marbles, story: Story) {
    const { need, peer = 'p', own = 'p', changed = '-', roundTripMs, isOurs = true, look = '-' } = story;
    const looking = cold(look);
    // As a connection has them: whoever comes later gets the latest.
    const replayed = <T>(story: string, values: Readonly<Record<string, T>>) => {
      const latest = new ReplaySubject<T>(1);
      cold(story, values).subscribe(latest);
      return latest;
    };
    const looks: string[] = [];
    const placeOf = (unl: Unl) => (unl === PLACES.q ? 'q' : 'p');
    const kept$ = keepUp$({
      need$: replayed<Need>(need, NEEDS),
      peer$: replayed<Unl>(peer, PLACES),
      own$: replayed<Unl>(own, PLACES),
      changed$: cold(changed),
      roundTripMs: () => roundTripMs,
      look$: (wanted, unl) => {
        looks.push(`${scheduler.now()} ${wanted} ${placeOf(unl)}`);
        return looking;
      },
      isOurs,
      scheduler,
    });
    return { kept$, looks, subscriptions: looking.subscriptions };
  }

  /** When it has looked, what for and where, by a time in milliseconds. */
  function looksBy(ms: number, story: Story): readonly string[] {
    let seen: readonly string[] = [];
    marbles((helpers) => {
      const { kept$, looks } = looksOf(helpers, story);
      seen = looks;
      helpers.expectObservable(kept$, `^ ${ms}ms !`).toBe('-');
    });
    return seen;
  }

  it('begins at once when any link is needed and this node has made the connection', () => {
    expect(looksBy(2_000, { need: '3ms a' })).toEqual(['3 any p']);
  });

  it('begins a quarter of a second later when the other node has made it, which looks first', () => {
    expect(looksBy(2_000, { need: '3ms a', isOurs: false })).toEqual(['253 any p']);
    expect(looksBy(2_000, { need: '3ms a 249ms n', isOurs: false })).toEqual([]);
  });

  it('is done again after short pauses, each twice the last up to 2 s, while any link is needed', () => {
    expect(looksBy(10_000, { need: 'a', look: '|' })).toEqual(
      [0, 250, 750, 1_750, 3_750, 5_750, 7_750, 9_750].map((at) => `${at} any p`),
    );
  });

  it('for a direct link is done by the node that made the connection, and not at once', () => {
    expect(looksBy(600_000, { need: 'd', isOurs: false, look: '|' })).toEqual([]);
    expect(looksBy(40_000, { need: 'd', look: '|' })).toEqual(
      [5_000, 10_000, 20_000, 40_000].map((at) => `${at} direct p`),
    );
  });

  it('for a direct link pauses for ever longer, up to 5 minutes', () => {
    const times = looksBy(3_000_000, { need: 'd', look: '|' }).map((look) => Number(look.split(' ')[0]));
    const pauses = times.map((time, index) => time - (times[index - 1] ?? 0));
    expect(pauses).toEqual(
      [5, 5, 10, 20, 40, 80, 160, 300, 300, 300, 300, 300, 300, 300, 300, 300]
        .map((s) => s * 1_000)
        .slice(0, pauses.length),
    );
    expect(pauses.at(-1)).toBe(300_000);
  });

  it('goes on when what it has found is relayed, until there is a direct link', () => {
    marbles((helpers) => {
      const { kept$, looks, subscriptions } = looksOf(helpers, { need: '3ms a 99ms d 9999ms n' });
      helpers.expectObservable(kept$, '^ 20s !').toBe('-');
      helpers.expectSubscriptions(subscriptions).toBe('3ms ^ 10099ms !');
      helpers.flush();
      expect(looks).toEqual(['3 any p']);
    });
  });

  it('looks for a direct link next when it has ended meanwhile, after the long pause', () => {
    expect(looksBy(14_000, { need: 'a 99ms d', look: '150ms |' })).toEqual(['0 any p', '5150 direct p']);
  });

  it('begins anew when a look for any link has found none, each after twice the time up to 8 s, but not while there is one', () => {
    expect(looksBy(30_000, { need: 'a' })).toEqual(
      // A look of 2 s and a pause of 0.25, of 4 and 0.5, of 8 and 1, of 8 and 2.
      [0, 2_250, 6_750, 15_750, 25_750].map((at) => `${at} any p`),
    );
    expect(looksBy(20_000, { need: 'a 99ms d' })).toEqual(['0 any p']);
  });

  it('gives each look the time of 8 round trips at least', () => {
    expect(looksBy(8_000, { need: 'a', roundTripMs: 500 })).toEqual(['0 any p', '4250 any p']);
  });

  it('begins anew, and at once, when the network of this machine has changed, each time', () => {
    expect(looksBy(1_500, { need: 'a', changed: '99ms x 399ms x' })).toEqual(['0 any p', '99 any p', '499 any p']);
    expect(looksBy(200, { need: '3ms a', changed: '99ms x', isOurs: false })).toEqual(['102 any p']);
    expect(looksBy(4_000, { need: 'd', changed: '99ms x' })).toEqual(['99 direct p']);
    expect(looksBy(4_000, { need: 'n', changed: '99ms x' })).toEqual([]);
  });

  it('does not begin anew a moment after that because the locator of this node has changed, too', () => {
    expect(looksBy(2_000, { need: 'a', changed: '99ms x', own: 'p 399ms q' })).toEqual(['0 any p', '99 any p']);
  });

  it('ends when nothing is needed any more, and begins at once when something is again', () => {
    marbles((helpers) => {
      const { kept$, looks, subscriptions } = looksOf(helpers, { need: 'a 49ms n 49ms a' });
      helpers.expectObservable(kept$, '^ 999ms !').toBe('-');
      helpers.expectSubscriptions(subscriptions).toBe(['^ 49ms !', '100ms ^ 899ms !']);
      helpers.flush();
      expect(looks).toEqual(['0 any p', '100 any p']);
    });
  });

  it('begins at once when the last link is lost while a direct one was being looked for', () => {
    expect(looksBy(7_000, { need: 'd 5999ms a' })).toEqual(['5000 direct p', '6000 any p']);
  });

  it('begins anew, and at once, when either node is somewhere else, and knows where the peer is now', () => {
    expect(looksBy(2_000, { need: 'a', peer: 'p 99ms q' })).toEqual(['0 any p', '100 any q']);
    expect(looksBy(2_000, { need: 'a', own: 'p 99ms q' })).toEqual(['0 any p', '100 any p']);
    expect(looksBy(4_000, { need: 'd', own: 'p 99ms q' })).toEqual(['100 direct p']);
    expect(looksBy(200, { need: 'a', isOurs: false, peer: 'p 99ms q' })).toEqual(['100 any q']);
    expect(looksBy(2_000, { need: 'a', peer: 'p 99ms p', own: 'p 199ms p' }))
      .withContext('the same')
      .toEqual(['0 any p']);
  });

  it('does nothing when a locator changes and nothing is needed', () => {
    expect(looksBy(5_000, { need: 'n', peer: 'p 99ms q', own: 'p 199ms q' })).toEqual([]);
  });

  it('completes when the connection has ended, and gives up what is under way', () => {
    marbles((helpers) => {
      const { kept$, subscriptions } = looksOf(helpers, { need: 'a 99ms (n|)' });
      helpers.expectObservable(kept$).toBe('100ms |');
      helpers.expectSubscriptions(subscriptions).toBe('^ 99ms !');
    });
  });

  it('emits nothing', () => {
    marbles((helpers) => {
      const { kept$ } = looksOf(helpers, { need: 'a', look: 'x-y' });
      helpers.expectObservable(kept$, '^ 99ms !').toBe('-');
    });
  });
});
