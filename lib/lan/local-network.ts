import { distinctUntilChanged, map, Observable, share, startWith, Subject, tap, type Subscription } from 'rxjs';
import { scopeOf } from '../endpoint.js';
import type { PeerId } from '../identity.js';
import { ownInterfaces } from '../link/interfaces.js';
import { isOnLinkOf, linksOf, type MulticastLink } from '../link/multicast-links.js';
import { MULTICAST_DNS_PORT, type MulticastEvent, type Outgoing } from '../link/multicast.js';
import type { NetworkLook } from '../link/network-looks.js';
import { isSameJson } from '../operators/same-json.js';
import type { Runtime } from '../runtime.js';
import { Discovery } from './discovery.js';
import type { LanTrace } from './steps.js';

/** What the local network needs of its node. */
export interface LocalNetworkConfig {
  readonly peerId: PeerId;
  /** The address that the node is bound to, if it is: then only the network of that address is used. */
  readonly bind: string | undefined;
  /** Each look at this machine's network. */
  readonly network$: Observable<Pick<NetworkLook, 'interfaces'>>;
  readonly runtime: Pick<Runtime, 'multicast$' | 'scheduler' | 'timeOfDay' | 'random'>;
  readonly trace: LanTrace;
}

/** Discovery on the networks of this machine, with sockets and timers. */
export class LocalNetwork {
  readonly #discovery: Discovery;
  readonly #outgoing = new Subject<Outgoing>();
  readonly #changed = new Subject<void>();
  #links: readonly MulticastLink[] = [];
  #changes = 0;
  /** Whether there is a link by now. */
  #isJoined = false;
  #timer: Subscription | undefined;
  /** Why links cannot be used, by their keys: each is tried again and again, and told once. */
  readonly #failures = new Map<string, string>();

  /** Talks to the network while somebody is subscribed. Never emits. */
  readonly #running$ = this.#talk$().pipe(share());

  constructor(readonly config: LocalNetworkConfig) {
    const { peerId, runtime } = config;
    const { random, scheduler, timeOfDay } = runtime;
    this.#discovery = new Discovery({
      peerId,
      port: MULTICAST_DNS_PORT,
      now: () => scheduler.now(),
      timeOfDay,
      random,
    });
  }

  /** Emits when the nodes that are there have changed. */
  get changed$(): Observable<void> {
    return this.#changed.asObservable();
  }

  /** What has been heard. To change it, use {@link act}. */
  get discovery(): Pick<Discovery, 'neighbours' | 'neighbour'> {
    return this.#discovery;
  }

  /** Has discovery do something, and sends what is due then. */
  act(action: (discovery: Discovery) => void): void {
    action(this.#discovery);
    this.#step();
  }

  /**
   * Whether a host with an address is on one of these networks.
   *
   * @param by only networks of these interfaces count. Default: of all.
   */
  readonly isHere = (address: string, by?: ReadonlySet<string>): boolean =>
    scopeOf(address) !== 'unusable' &&
    this.#links.some((link) => by?.has(link.interfaceName) !== false && isOnLinkOf(link, address));

  /** Like the source, and talks to the network for as long as that is subscribed to. */
  whileRunning$<T>(source$: Observable<T>): Observable<T> {
    return new Observable((subscriber) => {
      const running = this.#running$.subscribe({
        error: (error: unknown) => {
          subscriber.error(error);
        },
      });
      // One of its own, that ends with all that it has begun; then there is a way yet to say goodbye.
      const source = source$.subscribe({
        next: (value) => {
          subscriber.next(value);
        },
        error: (error: unknown) => {
          subscriber.error(error);
        },
        complete: () => {
          subscriber.complete();
        },
      });
      return () => {
        source.unsubscribe();
        running.unsubscribe();
      };
    });
  }

  #talk$(): Observable<never> {
    return new Observable<never>((subscriber) => {
      this.#discovery.begin();
      subscriber.add(
        this.config.runtime.multicast$({ links$: this.#links$(), outgoing$: this.#outgoing }).subscribe({
          next: (event) => {
            this.#handle(event);
          },
          error: (error: unknown) => {
            subscriber.error(error);
          },
        }),
      );
      return () => {
        this.#isJoined = false;
        this.#failures.clear();
        this.#discovery.end();
        this.#timer?.unsubscribe();
        this.#timer = undefined;
      };
    });
  }

  #links$(): Observable<readonly MulticastLink[]> {
    const { bind, network$ } = this.config;
    return network$.pipe(
      map(({ interfaces }) => interfaces),
      startWith(ownInterfaces().interfaces),
      map((interfaces) => linksOf(interfaces, bind)),
      distinctUntilChanged(isSameJson),
      tap((links) => {
        this.#links = links;
      }),
    );
  }

  #handle(event: MulticastEvent): void {
    const { trace } = this.config;
    switch (event.type) {
      case 'packet':
        this.#discovery.receive(event.bytes, event.from);
        break;
      case 'joined':
        trace({ type: 'lan', state: 'joined', address: event.link.address });
        this.#isJoined = true;
        this.#failures.delete(event.link.key);
        this.#discovery.renew();
        break;
      case 'failed':
        if (this.#failures.get(event.link.key) === event.reason) break;
        this.#failures.set(event.link.key, event.reason);
        trace({ type: 'lan', state: 'failed', address: event.link.address, reason: event.reason });
        break;
    }
    this.#step();
  }

  /** Sends what is due, tells what has changed, and comes again when there is more. */
  #step(): void {
    const { scheduler } = this.config.runtime;
    // What is said before anybody can hear it is lost.
    if (!this.#isJoined) return;
    for (const outgoing of this.#discovery.take()) this.#outgoing.next(outgoing);
    const { changes, nextAt } = this.#discovery;
    this.#timer?.unsubscribe();
    this.#timer =
      nextAt === undefined
        ? undefined
        : scheduler.schedule(
            () => {
              this.#step();
            },
            Math.max(0, nextAt - scheduler.now()),
          );
    if (changes === this.#changes) return;
    this.#changes = changes;
    this.#changed.next();
  }
}
