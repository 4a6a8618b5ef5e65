import { ReplaySubject } from 'rxjs';
import type { Need } from '../../lib/connection/transport/link-choice.js';
import { searchLinks$ } from '../../lib/net/link-search.js';
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
    const search$ = searchLinks$({
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
    return { search$, looks, subscriptions: looking.subscriptions };
  }

  /** When it has looked, what for and where, by a time in milliseconds. */
  function looksBy(ms: number, story: Story): readonly string[] {
    let seen: readonly string[] = [];
    marbles((helpers) => {
      const { search$, looks } = looksOf(helpers, story);
      seen = looks;
      helpers.expectObservable(search$, `^ ${ms}ms !`).toBe('-');
    });
    return seen;
  }

  it('starts at once when any link is needed and this node has made the connection', () => {
    expect(looksBy(2_000, { need: '3ms a' })).toEqual(['3 any p']);
  });

  it('starts a quarter of a second later when the other node has made the connection, since that looks first', () => {
    expect(looksBy(2_000, { need: '3ms a', isOurs: false })).toEqual(['253 any p']);
    expect(looksBy(2_000, { need: '3ms a 249ms n', isOurs: false })).toEqual([]);
  });

  it('looks again after pauses that double up to 2 s, while any link is needed', () => {
    expect(looksBy(10_000, { need: 'a', look: '|' })).toEqual(
      [0, 250, 750, 1_750, 3_750, 5_750, 7_750, 9_750].map((at) => `${at} any p`),
    );
  });

  it('looks for a direct link only on the node that made the connection, and not at once', () => {
    expect(looksBy(600_000, { need: 'd', isOurs: false, look: '|' })).toEqual([]);
    expect(looksBy(40_000, { need: 'd', look: '|' })).toEqual(
      [5_000, 10_000, 20_000, 40_000].map((at) => `${at} direct p`),
    );
  });

  it('pauses longer and longer between looks for a direct link, up to 5 minutes', () => {
    const times = looksBy(3_000_000, { need: 'd', look: '|' }).map((look) => Number(look.split(' ')[0]));
    const pauses = times.map((time, index) => time - (times[index - 1] ?? 0));
    expect(pauses).toEqual(
      [5, 5, 10, 20, 40, 80, 160, 300, 300, 300, 300, 300, 300, 300, 300, 300]
        .map((s) => s * 1_000)
        .slice(0, pauses.length),
    );
    expect(pauses.at(-1)).toBe(300_000);
  });

  it('goes on after it has found a relayed link, until there is a direct one', () => {
    marbles((helpers) => {
      const { search$, looks, subscriptions } = looksOf(helpers, { need: '3ms a 99ms d 9999ms n' });
      helpers.expectObservable(search$, '^ 20s !').toBe('-');
      helpers.expectSubscriptions(subscriptions).toBe('3ms ^ 10099ms !');
      helpers.flush();
      expect(looks).toEqual(['3 any p']);
    });
  });

  it('looks for a direct link after the long pause, when the look for any link has ended', () => {
    expect(looksBy(14_000, { need: 'a 99ms d', look: '150ms |' })).toEqual(['0 any p', '5150 direct p']);
  });

  it('restarts a look that has found no link, after a time that doubles up to 8 s, but not while there is a link', () => {
    expect(looksBy(30_000, { need: 'a' })).toEqual(
      // A look of 2 s and a pause of 0.25, of 4 and 0.5, of 8 and 1, of 8 and 2.
      [0, 2_250, 6_750, 15_750, 25_750].map((at) => `${at} any p`),
    );
    expect(looksBy(20_000, { need: 'a 99ms d' })).toEqual(['0 any p']);
  });

  it('gives each look at least 8 round trips', () => {
    expect(looksBy(8_000, { need: 'a', roundTripMs: 500 })).toEqual(['0 any p', '4250 any p']);
  });

  it('restarts at once whenever the network of this machine has changed', () => {
    expect(looksBy(1_500, { need: 'a', changed: '99ms x 399ms x' })).toEqual(['0 any p', '99 any p', '499 any p']);
    expect(looksBy(200, { need: '3ms a', changed: '99ms x', isOurs: false })).toEqual(['102 any p']);
    expect(looksBy(4_000, { need: 'd', changed: '99ms x' })).toEqual(['99 direct p']);
    expect(looksBy(4_000, { need: 'n', changed: '99ms x' })).toEqual([]);
  });

  it('does not restart a moment later when the locator changes because the network has', () => {
    expect(looksBy(2_000, { need: 'a', changed: '99ms x', own: 'p 399ms q' })).toEqual(['0 any p', '99 any p']);
  });

  it('stops when no link is needed any more, and starts at once when one is needed again', () => {
    marbles((helpers) => {
      const { search$, looks, subscriptions } = looksOf(helpers, { need: 'a 49ms n 49ms a' });
      helpers.expectObservable(search$, '^ 999ms !').toBe('-');
      helpers.expectSubscriptions(subscriptions).toBe(['^ 49ms !', '100ms ^ 899ms !']);
      helpers.flush();
      expect(looks).toEqual(['0 any p', '100 any p']);
    });
  });

  it('starts at once when the last link is lost while it looks for a direct one', () => {
    expect(looksBy(7_000, { need: 'd 5999ms a' })).toEqual(['5000 direct p', '6000 any p']);
  });

  it('restarts at once when either node has moved, with the latest locator of the peer', () => {
    expect(looksBy(2_000, { need: 'a', peer: 'p 99ms q' })).toEqual(['0 any p', '100 any q']);
    expect(looksBy(2_000, { need: 'a', own: 'p 99ms q' })).toEqual(['0 any p', '100 any p']);
    expect(looksBy(4_000, { need: 'd', own: 'p 99ms q' })).toEqual(['100 direct p']);
    expect(looksBy(200, { need: 'a', isOurs: false, peer: 'p 99ms q' })).toEqual(['100 any q']);
    expect(looksBy(2_000, { need: 'a', peer: 'p 99ms p', own: 'p 199ms p' }))
      .withContext('the same')
      .toEqual(['0 any p']);
  });

  it('does nothing when a locator changes and no link is needed', () => {
    expect(looksBy(5_000, { need: 'n', peer: 'p 99ms q', own: 'p 199ms q' })).toEqual([]);
  });

  it('completes when the connection has ended, and unsubscribes from the running look', () => {
    marbles((helpers) => {
      const { search$, subscriptions } = looksOf(helpers, { need: 'a 99ms (n|)' });
      helpers.expectObservable(search$).toBe('100ms |');
      helpers.expectSubscriptions(subscriptions).toBe('^ 99ms !');
    });
  });

  it('emits nothing', () => {
    marbles((helpers) => {
      const { search$ } = looksOf(helpers, { need: 'a', look: 'x-y' });
      helpers.expectObservable(search$, '^ 99ms !').toBe('-');
    });
  });
});
