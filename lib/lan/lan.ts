import {
  BehaviorSubject,
  catchError,
  combineLatest,
  concatMap,
  defaultIfEmpty,
  defer,
  distinct,
  distinctUntilChanged,
  EMPTY,
  filter,
  finalize,
  map,
  merge,
  mergeMap,
  Observable,
  retry,
  share,
  shareReplay,
  startWith,
  switchMap,
  take,
  takeUntil,
  tap,
  throttleTime,
  timer,
} from 'rxjs';
import { formatEndpoint, type Endpoint } from '../endpoint.js';
import { reasonOf } from '../errors.js';
import type { Identity, PeerId } from '../identity.js';
import { isSameJson } from '../operators/same-json.js';
import type { Runtime } from '../runtime.js';
import { isServicePort, MAX_HEARSAY } from '../unl/dialable.js';
import { formatUnl } from '../unl.js';
import type { UnlEndpoint, UnlV3 } from '../unl/types.js';
import { parcels$, sendParcel$, type LanParcel } from './exchange.js';
import { LocalNetwork, type LocalNetworkConfig } from './local-network.js';
import type { Heard } from './neighbourhood.js';
import { isUnder, signStatement } from './statement.js';

/**
 * A node that is looked for has so long to answer, in milliseconds. On a local network an answer takes a few, but one that has just answered
 * somebody else waits for a second before it says the same again.
 */
const FIND_MS = 2_000;

/** Endpoints of a neighbour's own interfaces that are looked at: a node says eight. */
const MAX_LAN_ENDPOINTS = 16;

/** The list of neighbours is told so often at most, in milliseconds: hostile ones can change as often as they like. */
const TOLD_MS = 200;

/** To send takes so long at most, in milliseconds: the peer is found, and a signal may wait for one before it. */
const SEND_MS = 8_000;

/** A port that cannot be listened on is tried again after this time, in milliseconds. */
const RETRY_MS = 10_000;

/** A node that was found on the local network. */
export interface Neighbour {
  /** Who it is. It has signed the rest; that it is there is certain once it is connected. */
  readonly peerId: PeerId;
  /** Its locator, for `connect$`. */
  readonly unl: string;
  /** Its addresses on this network, as far as they are in its locator. */
  readonly addresses: readonly string[];
  /** When it was heard first, in milliseconds since the epoch. */
  readonly since: number;
}

/** A node of the local network, and the host that has said so first. */
export interface NodeOfSite {
  readonly peerId: PeerId;
  /** Equal for all that one host says; see `siteOfNeighbour`. */
  readonly site: string;
}

/** What the local network needs of its node. */
export interface LanConfig extends Omit<LocalNetworkConfig, 'peerId'> {
  readonly identity: Identity;
  /** The node's locator, whenever it changes; replays the latest. */
  readonly own$: Observable<UnlV3>;
  readonly runtime: LocalNetworkConfig['runtime'] & Pick<Runtime, 'listen$' | 'dial$'>;
}

/**
 * The local network: finds other nodes there, is found, and exchanges signals with them, by multicast DNS and no server. All that is heard is
 * signed by the node that it is of. It is hearsay all the same: only addresses of this network are used, and a peer proves its key
 * when it is connected. Sockets are open while somebody is subscribed.
 *
 * @example
 * const lan = new Lan({ identity, bind: undefined, own$, network$, runtime: systemRuntime, trace: () => undefined });
 * lan.neighbours$.subscribe((neighbours) => console.log(neighbours.map(({ unl }) => unl)));
 */
export class Lan {
  /** The nodes that are there: at once, and whenever that changes. Never completes, never fails. */
  readonly neighbours$: Observable<readonly Neighbour[]>;
  /** Signals for this node. While this is subscribed to, the node is announced. Never fails. */
  readonly parcel$: Observable<LanParcel>;

  readonly #network: LocalNetwork;
  /** The topics under which this node wants to be found, and by how many each. */
  readonly #topics = new BehaviorSubject<readonly Buffer[]>([]);
  #lastTime = 0;

  constructor(readonly config: LanConfig) {
    const { peerId } = config.identity;
    const network = new LocalNetwork({ ...config, peerId });
    this.#network = network;
    this.neighbours$ = network.whileRunning$(this.#neighbours$()).pipe(shareReplay({ bufferSize: 1, refCount: true }));
    this.parcel$ = network.whileRunning$(this.#present$()).pipe(share());
  }

  /**
   * Where a peer is on this network, as it says: each endpoint once, only addresses of this network and no ports of well-known services. Asks
   * if the peer is not known, and completes after two seconds.
   */
  find$(peerId: PeerId): Observable<Endpoint> {
    return this.#network.whileRunning$(
      this.#heard$(peerId).pipe(
        mergeMap((heard) => this.#endpointsOf(heard)),
        map(({ address, port }) => ({ address, port })),
        distinct(formatEndpoint),
      ),
    );
  }

  /**
   * While subscribed to, says that this node wants to be found under a topic, and tells who else does, with those of its endpoints that are on this
   * network: at once, and whenever that changes. Never completes, never fails. Of more than eight topics the latest are
   * said.
   *
   * @param topic 32 bytes.
   */
  meet$(topic: Buffer): Observable<readonly UnlV3[]> {
    const met$ = defer(() => {
      this.#topics.next([...this.#topics.value, topic]);
      return this.#under$(topic).pipe(
        map((all) => all.map((heard) => ({ ...heard.claim.locator, endpoints: this.#endpointsOf(heard) }))),
        distinctUntilChanged(isSameJson),
        finalize(() => {
          const left = this.#topics.value.indexOf(topic);
          this.#topics.next(this.#topics.value.filter((_, index) => index !== left));
        }),
      );
    });
    return this.#network.whileRunning$(met$);
  }

  /** Tells who wants to be found under a topic, and which host has said it, as {@link meet$} does, and says nothing of this node. */
  under$(topic: Buffer): Observable<readonly NodeOfSite[]> {
    return this.#network.whileRunning$(
      this.#under$(topic).pipe(
        map((all) => all.map(({ claim: { peerId }, site }) => ({ peerId, site }))),
        distinctUntilChanged(isSameJson),
      ),
    );
  }

  /** Whether this node itself wants to be found under a topic now. */
  isMet(topic: Buffer): boolean {
    return this.#topics.value.some((each) => each.equals(topic));
  }

  #under$(topic: Buffer): Observable<readonly Heard[]> {
    return defer(() => this.#network.changed$).pipe(
      startWith(undefined),
      throttleTime(TOLD_MS, this.config.runtime.scheduler, { leading: true, trailing: true }),
      map(() => this.#network.discovery.neighbours.filter(({ claim }) => isUnder(claim, topic))),
    );
  }

  /** Sends a sealed signal. Emits once whether the peer has it, and completes. Never fails. */
  send$(to: PeerId, bytes: Buffer): Observable<boolean> {
    return this.#network.whileRunning$(
      this.#heard$(to).pipe(
        concatMap((heard) => this.#sent$(heard, bytes)),
        filter((isDelivered) => isDelivered),
        take(1),
        takeUntil(timer(SEND_MS, this.config.runtime.scheduler)),
        defaultIfEmpty(false),
      ),
    );
  }

  #sent$(heard: Heard, bytes: Buffer): Observable<boolean> {
    const { bind: localAddress, runtime } = this.config;
    const { peerId, port } = heard.claim;
    const endpoints = this.#addressesOf(heard).map((address) => ({ address, port }));
    if (endpoints.length === 0 || isServicePort(port)) return EMPTY;
    return sendParcel$({ peerId, endpoints }, bytes, { localAddress, runtime }).pipe(
      catchError(() => {
        // It may have left without a word, or be somewhere else now.
        this.#network.act((discovery) => {
          discovery.doubt(peerId);
        });
        return EMPTY;
      }),
    );
  }

  /** What a node says, and what it says anew, for as long as it is looked for. */
  #heard$(peerId: PeerId): Observable<Heard> {
    return defer(() => {
      const { changed$, discovery } = this.#network;
      if (discovery.neighbour(peerId) === undefined) {
        this.#network.act((acting) => {
          acting.seek(peerId);
        });
      }
      return changed$.pipe(
        startWith(undefined),
        map(() => discovery.neighbour(peerId)),
        filter((heard) => heard !== undefined),
        distinctUntilChanged((one, other) => one.claim.time === other.claim.time && one.by.size === other.by.size),
        takeUntil(timer(FIND_MS, this.config.runtime.scheduler)),
      );
    });
  }

  /** A node's endpoints on the networks by which it was heard: who is on one of them may not send this node to another. */
  #endpointsOf({ claim: { locator }, by }: Heard): readonly UnlEndpoint[] {
    return (
      locator.endpoints
        .filter(({ kind, port }) => kind === 'lan' && !isServicePort(port))
        // A stranger chooses how many there are.
        .slice(0, MAX_LAN_ENDPOINTS)
        .filter(({ address }) => this.#network.isHere(address, by))
        .slice(0, MAX_HEARSAY)
    );
  }

  #addressesOf(heard: Heard): readonly string[] {
    return [...new Set(this.#endpointsOf(heard).map(({ address }) => address))];
  }

  #neighbours$(): Observable<readonly Neighbour[]> {
    const { scheduler } = this.config.runtime;
    return defer(() => this.#network.changed$).pipe(
      startWith(undefined),
      throttleTime(TOLD_MS, scheduler, { leading: true, trailing: true }),
      map(() =>
        this.#network.discovery.neighbours.map((heard): Neighbour => {
          const { peerId, unl } = heard.claim;
          return { peerId, unl, addresses: this.#addressesOf(heard), since: heard.since };
        }),
      ),
      distinctUntilChanged(isSameJson),
    );
  }

  /** Takes signals, and announces the node. */
  #present$(): Observable<LanParcel> {
    return defer(() => {
      const { identity, bind, runtime, trace } = this.config;
      const { listen$, scheduler } = runtime;
      return listen$({ address: bind, port: 0 }).pipe(
        tap({
          error: (error: unknown) => {
            trace({ type: 'lan', state: 'failed', address: bind ?? '::', reason: reasonOf(error) });
          },
        }),
        retry({ delay: () => timer(RETRY_MS, scheduler) }),
        switchMap((listener) =>
          merge(
            parcels$({ listener, identity, isHere: this.#network.isHere, scheduler }),
            this.#announced$(listener.local.port),
          ),
        ),
      );
    });
  }

  /** Announces the node, and says goodbye in the end. Never emits. */
  #announced$(port: number): Observable<never> {
    return new Observable((subscriber) => {
      subscriber.add(
        combineLatest([this.config.own$, this.#topics]).subscribe({
          next: ([own, topics]) => {
            this.#announce(own, port, topics);
          },
          error: (error: unknown) => {
            subscriber.error(error);
          },
        }),
      );
      return () => {
        this.#network.act((discovery) => {
          discovery.announce(undefined);
        });
      };
    });
  }

  #announce(own: UnlV3, port: number, all: readonly Buffer[]): void {
    const { identity, runtime } = this.config;
    // Later than the last one, whatever the clock does.
    this.#lastTime = Math.max(Math.floor(runtime.timeOfDay()), this.#lastTime + 1);
    const topics = all.filter((topic, index) => all.findIndex((other) => other.equals(topic)) === index);
    const texts = signStatement(identity, { time: this.#lastTime, port, unl: formatUnl(own), topics });
    const endpoints = own.endpoints.filter(({ kind }) => kind === 'lan');
    this.#network.act((discovery) => {
      discovery.announce({ texts, endpoints });
    });
  }
}
