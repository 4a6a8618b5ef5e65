import { BehaviorSubject, defer, NEVER, of, Subject, throwError, type Observable } from 'rxjs';
import type { TopicAnswer, Topics } from '../../../lib/rendezvous/dialect.js';
import type { RendezvousSession } from '../../../lib/rendezvous/session.js';
import { rendezvousFinder } from '../../../lib/rooms/discovery/rendezvous.js';
import type { DiscoveryStep } from '../../../lib/rooms/discovery/steps.js';
import { topicOf } from '../../../lib/rooms/discovery/topic.js';
import { formatUnl } from '../../../lib/unl.js';
import type { UnlEndpoint, UnlV3 } from '../../../lib/unl/types.js';
import { VirtualClock } from '../../connection/virtual-links.js';
import { peerIdOf, unlOf } from '../../support/locators.js';
import { record } from '../../support/record.js';

const TOPIC = topicOf('chess');

/** Where the server is. */
const SERVER = '45.9.9.9';

const wan = (address: string, port = 4000): UnlEndpoint => ({ kind: 'wan', address, port });

/** A finder in virtual time. What is said to servers is written down with the time at which it is. */
function finding() {
  const clock = new VirtualClock();
  const log: string[] = [];
  const steps: DiscoveryStep[] = [];
  const own = unlOf({ peerId: peerIdOf(1), endpoints: [wan('45.1.1.1')] });
  const sessions$ = new BehaviorSubject<readonly RendezvousSession[]>([]);
  const own$ = new BehaviorSubject(formatUnl(own));
  const start = clock.now();

  /** A session with a server that has topics, or none. */
  function session(host: string, answer?: (own: UnlV3) => Observable<TopicAnswer>): RendezvousSession {
    const topics: Topics | undefined = answer && {
      join$: (topic, unl, count) =>
        defer(() => {
          expect([topic, count]).toEqual([TOPIC.toString('base64url'), 16]);
          log.push(`${clock.now() - start} ${host} joined`);
          return answer(unl);
        }),
      leave: () => log.push(`${clock.now() - start} ${host} left`),
    };
    return {
      server: { host, port: 8000 },
      remote: { address: SERVER, port: 8000 },
      observed: undefined,
      httpPort: undefined,
      serverId: undefined,
      nonce: undefined,
      roundTripMs: undefined,
      message$: NEVER,
      send$: () => NEVER,
      nodes$: () => NEVER,
      advertise: () => undefined,
      topics,
      line$: NEVER,
      say: () => undefined,
    };
  }

  const find = () =>
    record(
      rendezvousFinder({
        sessions$,
        isOnLink: () => false,
        runtime: { scheduler: clock, random: () => 1 },
        trace: (step) => steps.push(step),
      })(TOPIC, own$),
    );
  const joinsOf = (host: string) =>
    log.filter((entry) => entry.endsWith(` ${host} joined`)).map((entry) => Number(entry.split(' ')[0]));
  return { clock, log, steps, own, sessions$, own$, session, find, joinsOf };
}

const members = (...all: readonly (readonly [unl: UnlV3, ...seenAt: string[]])[]): TopicAnswer => ({
  type: 'members',
  members: all.map(([unl, ...seenAt]) => ({ unl, seenAt })),
});

describe('finding the members of a room by rendezvous servers', () => {
  const bob = unlOf({ peerId: peerIdOf(2), endpoints: [wan('45.1.1.2')] });

  it('joins at each server with a session, again and again with growing pauses, and leaves', () => {
    const { clock, log, steps, sessions$, session, find, joinsOf } = finding();
    const found = find();
    sessions$.next([session('a', () => of(members([bob, '45.1.1.2'])))]);
    expect(found.values).toEqual([[bob]]);
    clock.pass(3_600_000);
    const times = joinsOf('a');
    const pauses = times.slice(1).map((time, index) => time - (times[index] ?? 0));
    expect(pauses.slice(0, 10)).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 120_000, 120_000]);
    expect(steps).toEqual([{ type: 'topic', means: 'rendezvous', server: 'a:8000', state: 'listed' }]);
    sessions$.next([...sessions$.value, session('b', () => of(members()))]);
    expect(joinsOf('b')).toEqual([3_600_000]);
    log.splice(0);
    found.subscription.unsubscribe();
    expect(log.toSorted()).toEqual(['3600000 a left', '3600000 b left']);
    clock.pass(3_600_000);
    expect(log).toHaveSize(2);
    expect([found.isCompleted, found.error]).toEqual([false, undefined]);
  });

  it('waits longer where it was told of as many as a server names at once', () => {
    const { clock, sessions$, session, find, joinsOf } = finding();
    find();
    const all = Array.from({ length: 16 }, (_, index) => [unlOf({ peerId: peerIdOf(2 + index) }), '45.1.1.2'] as const);
    sessions$.next([session('a', () => of(members(...all)))]);
    clock.pass(89_999);
    expect(joinsOf('a')).toEqual([0, 30_000, 60_000]);
  });

  it('passes over a server that is older than topics, with one word, until there is another session', () => {
    const { clock, steps, sessions$, session, find, joinsOf } = finding();
    find();
    sessions$.next([session('old', () => of({ type: 'unknown' })), session('plain')]);
    clock.pass(3_600_000);
    expect(joinsOf('old')).toEqual([0]);
    expect(steps.map(({ server, state }) => `${server ?? ''} ${state}`)).toEqual([
      'old:8000 unknown',
      'plain:8000 unknown',
    ]);
    sessions$.next([]);
    sessions$.next([session('old', () => of(members()))]);
    expect(joinsOf('old')).toEqual([0, 3_600_000]);
  });

  it('asks again later where it is refused, or not answered, and goes on when a session ends', () => {
    const { clock, steps, sessions$, session, find, joinsOf } = finding();
    const found = find();
    const ended = new Subject<TopicAnswer>();
    sessions$.next([
      session('full', () => of({ type: 'refused', code: 'table-full' })),
      session('silent', () => NEVER),
      session('ends', () => ended),
      session('gone', () => throwError(() => new Error('gone'))),
    ]);
    ended.error(new Error('gone'));
    clock.pass(21_000);
    expect(joinsOf('full')).toEqual([0, 2_000, 6_000, 14_000]);
    expect(joinsOf('silent')).toEqual([0, 7_000, 16_000]);
    expect(joinsOf('ends')).toEqual([0]);
    expect(joinsOf('gone')).toEqual([0]);
    expect(steps.map(({ server, state }) => `${server ?? ''} ${state}`)).toEqual([
      'full:8000 refused',
      'silent:8000 refused',
    ]);
    expect([found.isCompleted, found.error]).toEqual([false, undefined]);
  });

  it('joins anew when its own locator has changed', () => {
    const { clock, own, sessions$, own$, session, find, joinsOf } = finding();
    const said: UnlV3[] = [];
    find();
    sessions$.next([session('a', (unl) => (said.push(unl), of(members())))]);
    clock.pass(100);
    own$.next(own$.value);
    const moved = { ...own, endpoints: [wan('45.1.1.9')] };
    own$.next(formatUnl(moved));
    expect(joinsOf('a')).toEqual([0, 100]);
    expect(said).toEqual([own, moved]);
  });

  it('leaves of a locator only what this node may dial, whatever a server lists', () => {
    const { sessions$, own, session, find } = finding();
    const found = find();
    const liar = unlOf({
      peerId: peerIdOf(3),
      endpoints: [
        wan('45.1.1.7', 22),
        wan('45.1.1.7', 443),
        wan('45.3.3.3'),
        wan('127.0.0.1'),
        wan('192.168.1.1'),
        wan('169.254.169.254'),
        ...[1, 2, 3, 4, 5].map((index) => wan('45.1.1.7', 5_000 + index)),
      ],
    });
    const dialled = [wan('45.1.1.7', 443), wan('45.1.1.7', 5_001), wan('45.1.1.7', 5_002), wan('45.1.1.7', 5_003)];
    sessions$.next([session('a', () => of(members([liar, '45.1.1.7'], [own, '45.1.1.1'], [bob, '127.0.0.1'])))]);
    expect(found.values).toEqual([
      [
        { ...liar, endpoints: dialled },
        { ...bob, endpoints: [] },
      ],
    ]);
  });
});
