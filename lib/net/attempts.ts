import {
  defer,
  filter,
  finalize,
  map,
  of,
  race,
  share,
  startWith,
  takeWhile,
  tap,
  throwError,
  type Observable,
} from 'rxjs';
import type { ResolvedConfig } from '../config.js';
import { connectBy } from '../techniques/race.js';
import type { PeerConnection } from '../connection/peer-connection.js';
import type { Need } from '../connection/transport/link-choice.js';
import { formatEndpoint, sameEndpoint, type Endpoint } from '../endpoint.js';
import { DialError } from '../errors.js';
import type { PeerId } from '../identity.js';
import { FramedLink, FramedWire } from '../link/framed-link.js';
import type { Link } from '../link/link.js';
import type { NetworkLook } from '../link/network-looks.js';
import { firstAndRest } from '../operators/first-and-rest.js';
import { traceOutcome } from '../operators/trace-outcome.js';
import { ignoreErrors } from '../operators/ignore-errors.js';
import type { Runtime } from '../runtime.js';
import type { Signalling } from '../signalling/signalling.js';
import { stagesOf, withoutRelay, type StagesFor } from '../techniques/stages.js';
import type { Attempt, NodeTechnique, Stages, Technique } from '../techniques/technique.js';
import type { AttemptTrace } from '../techniques/steps.js';
import { connectionKeyOf, peerNameOf } from '../unl.js';
import { isServicePort } from '../unl/dialable.js';
import { endpointsIn } from '../unl/near.js';
import type { Unl } from '../unl/types.js';
import { dialPeer$ } from '../peers/dial.js';
import { searchLinks$ } from './link-search.js';
import type { Peers } from '../peers/peers.js';
import type { Security } from '../peers/security.js';
import { withdrawalOf } from './withdrawal.js';

/** What attempts need of their node. */
interface AttemptsConfig {
  readonly config: ResolvedConfig;
  readonly runtime: Runtime;
  readonly security: Security;
  readonly peers: Peers;
  readonly trace: AttemptTrace;
  /** This node's own locator as it is now. */
  readonly own: () => Unl;
  /** Whether others can dial it for certain: somebody has, or the port is forwarded. */
  readonly isDialled: () => boolean;
  /** Its locator whenever it changes; replays the latest. */
  readonly own$: Observable<Unl>;
  /** Each look at this machine's network. */
  readonly network$: Observable<NetworkLook>;
  /** To the server that carries signals, and back, in milliseconds: as far as another node is, as a rule. Unknown without one. */
  readonly roundTripMs: () => number | undefined;
  readonly signalling: Signalling;
  /** Looks for a peer on the local network; see {@link Attempt.nearby$}. */
  readonly nearby$?: ((peerId: PeerId) => Observable<Endpoint>) | undefined;
  /** The techniques of the node. */
  readonly techniques: readonly NodeTechnique[];
  /** Fails when the net is closed. */
  readonly closed$: Observable<never>;
  /** Finishes clean-up after its caller has unsubscribed. */
  readonly runToEnd: (work$: Observable<unknown>) => void;
}

/** Whom to connect to, and by what. */
interface AttemptOptions {
  readonly stagesFor: StagesFor;
  /** For each technique, in milliseconds. Default: `timing.techniqueMs`. */
  readonly timeoutMs?: number | undefined;
}

/** How links are to be made. */
interface LinkOptions {
  readonly timeoutMs?: number | undefined;
  /** Of the attempt. Default: a new one. */
  readonly id?: string | undefined;
  /** Whether an endpoint may be dialled. Default: any. */
  readonly isSeen?: ((endpoint: Endpoint) => boolean) | undefined;
}

/** The options of the connections that this node has made. New links for them are looked for with the same options. */
interface Origin extends AttemptOptions {
  readonly peer: Unl;
}

/** The attempts to connect that are under way, at most one to each peer, however many wait for it. */
export class Attempts {
  readonly #pending = new Map<string, Observable<PeerConnection>>();
  /** Two techniques of an application's may have one name. */
  readonly #numbers = new WeakMap<Technique, number>();
  #lastNumber = 0;
  readonly #origins = new WeakMap<PeerConnection, Origin>();

  constructor(readonly dependencies: AttemptsConfig) {}

  /** Hands over the connection to a peer: the one that is open, or the one that an attempt makes. */
  connect$(peer: Unl, options: AttemptOptions): Observable<PeerConnection> {
    return defer(() => {
      const { stagesFor, timeoutMs } = options;
      const { own, isDialled } = this.dependencies;
      const stages = stagesFor(own(), peer, isDialled());
      const existing = this.dependencies.peers.get(connectionKeyOf(peer));
      if (existing !== undefined) return of(existing);
      // Callers with other options do not share an attempt. If both attempts succeed, one connection results nevertheless.
      const techniques = stages.map(({ techniques, lead, leadMs }) => [
        leadMs ?? lead,
        ...techniques.map((each) => this.#numberOf(each)),
      ]);
      const name = JSON.stringify([connectionKeyOf(peer), techniques, timeoutMs]);
      const attempt$ =
        this.#pending.get(name) ??
        this.#attempt$(peer, stages, options).pipe(
          finalize(() => this.#pending.delete(name)),
          share(),
        );
      this.#pending.set(name, attempt$);
      return attempt$;
    });
  }

  /**
   * Looks for links for a connection while it needs any: any link while none works, a direct one while it is relayed.
   * Never emits, never fails.
   */
  searchLinks$(connection: PeerConnection): Observable<never> {
    return defer(() => {
      const origin = this.#origins.get(connection);
      const { stagesFor = stagesOf(this.dependencies.techniques), timeoutMs, peer } = origin ?? {};
      const named = peer === undefined ? [] : endpointsIn(peer);
      const isNamed = (endpoint: Endpoint) => named.some((each) => sameEndpoint(each, endpoint));
      const isNamedAt = ({ address }: Endpoint) => named.some((each) => each.address === address);
      const { own, own$, isDialled, network$, roundTripMs, runtime } = this.dependencies;
      const peer$ = connection.peerLocator$.pipe(startWith(peer), filter(isDefined));
      const { scheduler } = runtime;
      const look$ = (need: Need, told: Unl) =>
        defer(() => {
          const locator = withEndpointsOf(told, peer);
          const stages = stagesFor(own(), locator, isDialled());
          const wanted = need === 'any' ? stages : withoutRelay(stages);
          // An address that only the peer claims may belong to a third party, and so may a service at an address that it shares.
          const isSeen = (endpoint: Endpoint) =>
            isNamed(endpoint) ||
            (!isServicePort(endpoint.port) && (connection.hasBeenAt(endpoint.address) || isNamedAt(endpoint)));
          return this.#link$(locator, wanted, { timeoutMs, isSeen }).pipe(
            tap((link) => {
              connection.offer(new FramedLink(link, new FramedWire()));
            }),
            ignoreErrors(),
          );
        });
      return searchLinks$({
        need$: connection.need$,
        peer$,
        own$,
        changed$: network$.pipe(filter(({ hasChanged }) => hasChanged)),
        roundTripMs,
        look$,
        isOurs: origin !== undefined,
        scheduler,
      });
    });
  }

  #numberOf(technique: Technique): number {
    const number = this.#numbers.get(technique) ?? ++this.#lastNumber;
    this.#numbers.set(technique, number);
    return number;
  }

  /** Dials by every technique until the peer is connected. After the first link, the techniques that go on look for a better one. */
  #attempt$(peer: Unl, stages: Stages, options: AttemptOptions): Observable<PeerConnection> {
    return defer(() => {
      const { runtime, peers, trace, closed$ } = this.dependencies;
      const { scheduler } = runtime;
      const id = runtime.newId();
      const peerId = peerNameOf(peer);
      const dialled$ = this.#link$(peer, stages, { timeoutMs: options.timeoutMs, id }).pipe(
        map((link) => {
          const connection = peers.adopt(link);
          this.#origins.set(connection, { peer, ...options });
          return connection;
        }),
      );
      return race(peers.arrival$(peerId), dialled$, closed$).pipe(
        firstAndRest(({ need$ }) => need$.pipe(takeWhile((need) => need !== 'none'))),
        traceOutcome(scheduler, (outcome) => {
          trace({ type: 'attempt', attemptId: id, peerId, ...outcome });
        }),
      );
    });
  }

  /** Links to a peer, by every technique, until one is direct. */
  #link$(peer: Unl, stages: Stages, { timeoutMs, id, isSeen }: LinkOptions): Observable<Link> {
    return defer(() => {
      const { config, runtime, peers, trace, own, roundTripMs, signalling, runToEnd } = this.dependencies;
      const attemptId = id ?? runtime.newId();
      const peerId = peerNameOf(peer);
      const key = peer.version === 3 ? peer.peerId : undefined;
      const timing = timeoutMs === undefined ? config.timing : { ...config.timing, techniqueMs: timeoutMs };
      const asked = withdrawalOf(signalling, peerId, attemptId, timing.techniqueMs);
      const end = peers.begin(attemptId, peerId);
      let hasFailed = false;
      // What a peer says of itself on the local network is signed by its key, and on this network.
      const nearby = new Set<string>();
      const nearby$ = key === undefined ? undefined : this.dependencies.nearby$?.(key);
      const mayDial = (endpoint: Endpoint) => isSeen?.(endpoint) !== false || nearby.has(formatEndpoint(endpoint));
      const attempt: Attempt = {
        id: attemptId,
        peer,
        own: own(),
        dial$: (endpoint, technique) =>
          mayDial(endpoint)
            ? dialPeer$(endpoint, { technique, attemptId, peerId: key }, this.dependencies)
            : throwError(() => new DialError(`No link has led to the peer at ${formatEndpoint(endpoint)} yet`)),
        mayDial,
        nearby$: nearby$?.pipe(tap((endpoint) => nearby.add(formatEndpoint(endpoint)))),
        secure$: (socket, technique) => this.dependencies.security.linkOver$(socket, { technique, peerId: key }),
        expect$: (technique) => peers.expect$(attemptId, peerId, technique),
        signalling: asked.signalling,
        timing,
        roundTripMs: roundTripMs(),
        scheduler: runtime.scheduler,
      };
      return of(attempt).pipe(
        connectBy(stages, trace),
        tap({
          error: () => {
            hasFailed = true;
          },
        }),
        finalize(() => {
          end();
          // An attempt that failed has no open request: each was answered, or has expired.
          if (!hasFailed) runToEnd(asked.withdraw$(peers.get(peerId) !== undefined));
        }),
      );
    });
  }
}

/** The locator that a peer sent, plus endpoints of its earlier locator: the peer may not know an endpoint by which it was reached. */
function withEndpointsOf(latest: Unl, earlier: Unl | undefined): Unl {
  if (latest.version !== 3 || earlier?.version !== 3) return latest;
  const others = earlier.endpoints.filter((endpoint) => !latest.endpoints.some((each) => sameEndpoint(each, endpoint)));
  return { ...latest, endpoints: [...latest.endpoints, ...others] };
}

function isDefined<T>(value: T | undefined): value is T {
  return value !== undefined;
}
