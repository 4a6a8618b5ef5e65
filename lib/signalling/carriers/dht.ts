import {
  catchError,
  defer,
  EMPTY,
  filter,
  from,
  ignoreElements,
  map,
  merge,
  mergeMap,
  NEVER,
  of,
  repeat,
  ReplaySubject,
  share,
  switchMap,
  take,
  takeWhile,
  tap,
  throwError,
  throwIfEmpty,
  timer,
  type Observable,
} from 'rxjs';
import { announced$ } from '../../dht/announce.js';
import { createInbox } from '../../dht/inbox.js';
import { createKeeper, type Keeper } from '../../dht/keeper.js';
import { dhtLimits, type DhtLimits } from '../../dht/limits.js';
import { COMMAND, decodePush, FIND_PADDING, mailboxOf } from '../../dht/messages.js';
import { meet$, type Meeting } from '../../dht/meet.js';
import { Neighbours } from '../../dht/neighbours.js';
import { dhtNode$, type DhtNode, type DhtNodeConfig } from '../../dht/node.js';
import { createSender, type Send } from '../../dht/send.js';
import { formatServer, type Endpoint, type ServerAddress } from '../../endpoint.js';
import { failureOf, reasonOf, TimeoutError, UnavailableError } from '../../errors.js';
import type { Identity } from '../../identity.js';
import { addressesOf$ } from '../../link/names.js';
import type { Runtime } from '../../runtime.js';
import type { UnlV3 } from '../../unl/types.js';
import type { SignalTrace } from '../steps.js';
import { KEEP_MAX_MS, PARCEL_MAX_BYTES } from '../../parcel.js';
import type { Carrier, Delivery, Parcel } from '../carrier.js';

/** The pause before another try: the port may be taken for a while, or the machine offline. */
const REJOIN_MS = 10_000;

/** A node that does not answer is asked again after one such pause, then two, and so on up to this many. */
const MOST_PAUSES = 6;

/** What the carrier over the DHT needs. */
interface DhtCarrierConfig extends DhtNodeConfig {
  readonly identity: Identity;
  readonly runtime: Pick<Runtime, 'scheduler' | 'random' | 'newId'>;
  readonly trace: SignalTrace;
  /** What this node does for others at most, once it is part of the DHT. */
  readonly limits?: Partial<DhtLimits> | undefined;
}

/** A carrier over the DHT, which also tells where this node is seen. */
export interface DhtCarrier extends Carrier {
  /** The public UDP address of this node, as far as the nodes of the DHT agree; for information. */
  readonly observed$: Observable<Endpoint | undefined>;
  /**
   * Lists this node under a topic of 32 bytes, and tells who else is: what each round has come to. Never completes or fails.
   *
   * @param own$ this node's locator, whenever it changes; replays the latest.
   */
  meet$(topic: Buffer, own$: Observable<UnlV3>): Observable<Meeting>;
}

interface Joined {
  readonly node: DhtNode;
  readonly keeper: Keeper;
  readonly send: Send;
  readonly parcel$: Observable<Parcel>;
}

/**
 * Signals over a Kademlia DHT, with no server at all. A parcel is stored at the nodes closest to a digest of the receiver's key, where
 * the receiver has announced itself, and they push it there. It counts as delivered when the receiver has signed for it.
 *
 * @throws InvalidOptionError for limits that are none.
 *
 * The node joins the DHT while somebody is subscribed to `parcel$` or `observed$` or sends, and leaves it afterwards. IPv4 only, as dht-rpc.
 */
export function dhtCarrier({ identity, runtime, trace, limits: overrides, ...config }: DhtCarrierConfig): DhtCarrier {
  const { scheduler } = runtime;
  const limits = dhtLimits(overrides);

  const joined$ = dhtNode$(config).pipe(
    switchMap((node) => {
      const keeper = createKeeper({ node, runtime, limits });
      const joined: Joined = {
        node,
        keeper,
        send: createSender({ node, keeper, runtime }),
        parcel$: received$(node, keeper),
      };
      trace({ type: 'dht', state: 'joined', local: node.local });
      return merge(keeper.serve$, of(joined), told$(node));
    }),
    share({ connector: () => new ReplaySubject<Joined>(1), resetOnRefCountZero: true }),
  );

  /** Reports for each bootstrap node whether it answers, and again when a silent one answers. */
  function told$(node: DhtNode): Observable<never> {
    const question = { command: COMMAND.find, value: FIND_PADDING, target: mailboxOf(identity.peerId) };
    return from(config.bootstrap).pipe(
      mergeMap((server) =>
        addressesOf$(server.host, 4).pipe(
          mergeMap((addresses) =>
            merge(...addresses.map((address) => node.ask$({ address, port: server.port }, question, true))).pipe(
              catchError(() => throwError(() => new TimeoutError('It did not answer'))),
            ),
          ),
          take(1),
          throwIfEmpty(() => new TimeoutError('It has no IPv4 address, which the DHT needs')),
          map(() => undefined),
          catchError((error: unknown) => of(failureOf(error, 'node of the DHT'))),
          repeat({ delay: (count) => timer(REJOIN_MS * Math.min(count, MOST_PAUSES), scheduler) }),
          tap((failure) => {
            tell(server, failure);
          }),
          takeWhile((failure) => failure !== undefined),
        ),
      ),
      ignoreElements(),
    );
  }

  function tell(server: ServerAddress, failure: string | undefined): void {
    trace({ type: 'server', kind: 'DHT', server: formatServer(server), failure });
  }

  function fail(error: unknown): void {
    trace({ type: 'dht', state: 'failed', reason: reasonOf(error) });
    for (const server of config.bootstrap) tell(server, failureOf(error, 'node of the DHT'));
  }

  function received$(node: DhtNode, keeper: Keeper): Observable<Parcel> {
    return defer(() => {
      const mailbox = mailboxOf(identity.peerId);
      if (mailbox === undefined) return EMPTY;
      const neighbours = new Neighbours(() => scheduler.now());
      const inbox = createInbox({ identity, runtime, neighbours: () => neighbours.hosts() });
      const announcing$ = announced$({ node, identity, mailbox, neighbours, runtime });
      const pushed$ = node.asked$.pipe(
        filter(({ command }) => command === COMMAND.push),
        mergeMap(({ value, from, reply }) => {
          const pushed = decodePush(value);
          if (pushed === undefined || !neighbours.mayPush(from, pushed.secret)) return EMPTY;
          return inbox.push$(pushed.push, from).pipe(
            tap((receipt) => {
              reply(receipt);
            }),
          );
        }),
        ignoreElements(),
      );
      const own$ = keeper.announce$(identity.peerId, (push) => inbox.push$(push, undefined));
      const parcel$ = inbox.arrived$.pipe(map((arrived): Parcel => ({ from: undefined, ...arrived })));
      return merge(parcel$, pushed$, own$, announcing$);
    }).pipe(share());
  }

  /** What the node does once it has joined; where it cannot join, it says so and tries again later. */
  const whileJoined$ = <T>(use: (joined: Joined) => Observable<T>): Observable<T> => {
    const tried$: Observable<T> = joined$.pipe(
      switchMap(use),
      catchError((error: unknown) => {
        fail(error);
        // Final: the runtime cannot load the package, and does not look for it again.
        if (error instanceof UnavailableError) return NEVER;
        return timer(REJOIN_MS, scheduler).pipe(switchMap(() => tried$));
      }),
    );
    return tried$;
  };

  return {
    name: 'dht',
    parcel$: whileJoined$(({ parcel$ }) => parcel$),
    observed$: whileJoined$(({ node }) => node.observed$),
    meet$: (topic, own$) => whileJoined$(({ node, keeper }) => meet$({ node, keeper, identity, runtime }, topic, own$)),
    send$: (to, bytes, { keepMs }) => {
      if (bytes.length > PARCEL_MAX_BYTES) return of<Delivery>('absent');
      return joined$.pipe(
        switchMap(({ send }) => send(to, bytes, Math.min(keepMs, KEEP_MAX_MS))),
        catchError((error: unknown) => {
          fail(error);
          return of<Delivery>('absent');
        }),
        take(1),
      );
    },
  };
}
