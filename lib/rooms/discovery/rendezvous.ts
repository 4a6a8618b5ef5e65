import {
  catchError,
  defer,
  EMPTY,
  finalize,
  map,
  merge,
  mergeMap,
  NEVER,
  of,
  repeat,
  switchMap,
  takeWhile,
  tap,
  timeout,
  timer,
  type Observable,
} from 'rxjs';
import { backoffMs } from '../../operators/backoff.js';
import { whileListed } from '../../operators/while-listed.js';
import { formatRendezvous } from '../../rendezvous-name.js';
import type { TopicAnswer, Topics } from '../../rendezvous/dialect.js';
import { MAX_MEMBERS } from '../../rendezvous/messages.js';
import type { RendezvousSession } from '../../rendezvous/session.js';
import type { Runtime } from '../../runtime.js';
import type { UnlV3 } from '../../unl/types.js';
import type { Finder } from './finder.js';
import { hearsayOfAll, ownLocator$ } from './hearsay.js';
import type { DiscoveryStep, DiscoveryTrace } from './steps.js';

/**
 * A node joins again after about this time, and then after twice as long each time. The first that come to a room see nobody there, and so
 * do those of whom each can be dialled by a few others only.
 */
const FIRST_REJOIN_MS = 500;

/** Who was told of as many as a server names at once has enough to begin with, and joins again after this time at the earliest. */
const ENOUGH_MS = 30_000;

/** In the end this often: a server forgets a member that has not joined for ten minutes. */
const LAST_REJOIN_MS = 120_000;

/** After a refusal it takes about this long, and then twice as long each time: a server counts by site, which an office shares. */
const FIRST_REFUSED_MS = 2_000;

/** A server that does not answer within this time is asked again later: several round trips on the slowest of paths. */
const ANSWER_MS = 5_000;

/** What finding by rendezvous servers needs. */
interface RendezvousFinderConfig {
  /** The sessions that are open, whenever they change; replays the latest. */
  readonly sessions$: Observable<readonly RendezvousSession[]>;
  /** Whether one of this machine's interfaces is on the same network as an address. */
  readonly isOnLink: (address: string) => boolean;
  readonly runtime: Pick<Runtime, 'scheduler' | 'random'>;
  readonly trace: DiscoveryTrace;
}

/**
 * Finds the members of a room at all rendezvous servers with which this node has sessions. A server that is older than topics is passed over until
 * there is another session with it.
 */
export function rendezvousFinder(config: RendezvousFinderConfig): Finder {
  return (topic, own$) => {
    const locator$ = ownLocator$(own$);
    const found$ = config.sessions$.pipe(
      whileListed((session) => foundAt$(session, topic.toString('base64url'), locator$, config)),
    );
    return merge(found$, NEVER);
  };
}

/** Those whom one server names, for as long as its session lasts. Never fails. */
function foundAt$(
  session: RendezvousSession,
  topic: string,
  own$: Observable<UnlV3>,
  config: RendezvousFinderConfig,
): Observable<readonly UnlV3[]> {
  const { isOnLink, trace } = config;
  let told: DiscoveryStep['state'] | undefined;
  const tell = (state: DiscoveryStep['state']) => {
    if (state !== told) trace({ type: 'topic', means: 'rendezvous', server: formatRendezvous(session.server), state });
    told = state;
  };
  return defer(() => {
    const { topics } = session;
    if (topics === undefined) {
      tell('unknown');
      return EMPTY;
    }
    return own$.pipe(
      switchMap((own) => joined$(topics, topic, own, config).pipe(map((answer) => ({ own, answer })))),
      tap(({ answer }) => {
        tell(answer.type === 'members' ? 'listed' : answer.type);
      }),
      takeWhile(({ answer }) => answer.type !== 'unknown'),
      mergeMap(({ own, answer }) => (answer.type === 'members' ? [admitted(answer.members, own)] : [])),
      finalize(() => {
        topics.leave(topic);
      }),
    );
  }).pipe(
    // The session has ended, or is about to: there will be another.
    catchError(() => EMPTY),
  );

  function admitted(members: Extract<TopicAnswer, { readonly type: 'members' }>['members'], own: UnlV3) {
    const by = session.remote.address;
    const found = members.flatMap(({ unl, seenAt }) =>
      unl.version === 3 ? [{ unl, sightings: seenAt.map((at) => ({ at, by })) }] : [],
    );
    return hearsayOfAll(found, own, isOnLink);
  }
}

/** Joins again and again. Emits what the server answers. */
function joined$(
  topics: Topics,
  topic: string,
  own: UnlV3,
  { runtime: { scheduler, random } }: RendezvousFinderConfig,
): Observable<TopicAnswer> {
  return defer(() => {
    let [refusals, leastMs] = [0, 0];
    return topics.join$(topic, own, MAX_MEMBERS).pipe(
      timeout({ first: ANSWER_MS, scheduler, with: () => of<TopicAnswer>({ type: 'refused', code: 'late' }) }),
      tap((answer) => {
        refusals = answer.type === 'refused' ? refusals + 1 : 0;
        leastMs = answer.type === 'members' && answer.members.length >= MAX_MEMBERS ? ENOUGH_MS : 0;
      }),
      repeat({
        delay: (count) => {
          const firstMs = refusals > 0 ? FIRST_REFUSED_MS : FIRST_REJOIN_MS;
          const pauseMs = backoffMs(refusals > 0 ? refusals : count, firstMs, LAST_REJOIN_MS, random);
          return timer(Math.max(pauseMs, leastMs * (0.5 + random() / 2)), scheduler);
        },
      }),
    );
  });
}
