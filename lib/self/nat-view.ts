import { defer, map, of, switchMap, tap, type Observable } from 'rxjs';
import { familyOf } from '../endpoint.js';
import { failureOf, reasonOf, RendezvousError } from '../errors.js';
import { classify, type NatClassification } from '../nat/classify.js';
import { MAX_PREDICTIONS } from '../nat/predict.js';
import { nameOf } from '../rendezvous/errors.js';
import type { Observation, ObserveConfig, Observer } from '../rendezvous/observe.js';
import { sample$ } from '../rendezvous/sample.js';
import type { Runtime } from '../runtime.js';
import { formatStun } from '../stun/name.js';
import type { SelfTrace } from './steps.js';

/** What servers have shown of this node's NAT, by one family of addresses. */
export interface NatView extends NatClassification {
  readonly family: 4 | 6;
  /** The servers that have answered by that family, the nearest first. */
  readonly servers: readonly Observer[];
  /** The round trip to the nearest of them, in milliseconds. */
  readonly roundTripMs: number;
  /** The external port of the mapping that was made last. */
  readonly lastPort: number;
}

/**
 * Local ports of punches and of the observations for them: above the ports of services, and below the range from which systems
 * choose ports for other connections (Linux: 32768 to 60999; others: the dynamic ports of RFC 6335 §6, 49152 to 65535).
 */
const FIRST_LOCAL_PORT = 16_384;
const LOCAL_PORTS = 16_384 - 2 * MAX_PREDICTIONS;

/** Chooses the first of some consecutive local ports at random, so that they were probably not used lately. */
export function newLocalPort({ random }: Runtime): number {
  return FIRST_LOCAL_PORT + Math.floor(random() * LOCAL_PORTS);
}

/**
 * Has servers observe this node's NAT. Emits once and completes: a view for each family with an answer, IPv6 first; without any
 * answer, none. Where only one address of a server has answered, and the server has another one, as some servers of STUN have,
 * it is asked at both: most types of NAT can only be told apart by two.
 *
 * @param addresses this machine's own.
 */
export function natViews$(
  servers: readonly Observer[],
  addresses: readonly string[],
  config: ObserveConfig,
  trace: SelfTrace,
): Observable<readonly NatView[]> {
  return samples$(servers, config, trace).pipe(
    map((samples) =>
      ([6, 4] as const).flatMap((family) => {
        const ofFamily = samples.filter(({ server }) => familyOf(server.address) === family);
        return ofFamily.length === 0 ? [] : viewOf(family, ofFamily, addresses, trace);
      }),
    ),
  );
}

function samples$(
  servers: readonly Observer[],
  config: ObserveConfig,
  trace: SelfTrace,
): Observable<readonly Observation[]> {
  const failures = new Map<Observer, unknown>();
  const failed = (server: Observer, why: unknown) => failures.set(server, why);
  const look$ = (each: readonly Observer[]) =>
    defer(() => sample$(each, newLocalPort(config.runtime), { ...config, failed }));
  return look$(servers).pipe(
    tap((samples) => {
      for (const server of servers) tellOf(server, samples, failures.get(server), trace);
    }),
    switchMap((samples) => {
      const both = atBothAddresses(samples);
      if (both.length === 0) return of(samples);
      return look$(both).pipe(
        map((again) => {
          const families = new Set(again.map(({ server }) => familyOf(server.address)));
          return [...samples.filter(({ server }) => !families.has(familyOf(server.address))), ...again];
        }),
      );
    }),
  );
}

/** The servers to ask again: of each family that one address alone has shown, a server with another address, at each of the two. */
function atBothAddresses(samples: readonly Observation[]): readonly Observer[] {
  return ([6, 4] as const).flatMap((family) => {
    const ofFamily = samples.filter(({ server }) => familyOf(server.address) === family);
    if (new Set(ofFamily.map(({ server }) => server.address)).size !== 1) return [];
    return ofFamily
      .flatMap(({ observer, server, otherAddress }) =>
        otherAddress === undefined ? [] : [[server.address, otherAddress].map((at) => ({ ...observer, at }))],
      )
      .slice(0, 1)
      .flat();
  });
}

/** Tells how it stands with a STUN server, which has no session. A server that is only slower than others is not told of. */
function tellOf(server: Observer, samples: readonly Observation[], why: unknown, trace: SelfTrace): void {
  if (server.isStun !== true) return;
  const tell = (failure: string | undefined) => {
    trace({ type: 'server', kind: 'STUN', server: formatStun(server), failure });
  };
  if (samples.some(({ observer }) => observer === server)) tell(undefined);
  else if (why instanceof RendezvousError) tell(reasonOf(why).replace(nameOf(server), ''));
  else if (why !== undefined) tell(failureOf(why, 'STUN server'));
  else if (samples.length === 0) tell('does not answer');
}

function viewOf(
  family: 4 | 6,
  samples: readonly Observation[],
  addresses: readonly string[],
  trace: SelfTrace,
): NatView {
  const classification = classify(samples, addresses);
  const nearest = samples.toSorted((a, b) => a.roundTripMs - b.roundTripMs);
  const servers = nearest.map(({ server: { address }, observer }) => ({ ...observer, at: address }));
  const looks = samples.map(({ localPort, server, observed }) => ({ localPort, server, observed }));
  trace({ type: 'nat', family, ...classification, samples: samples.length, looks });
  return {
    ...classification,
    family,
    servers: servers.filter(({ at, port }, i) => servers.findIndex((one) => one.at === at && one.port === port) === i),
    roundTripMs: nearest[0]?.roundTripMs ?? 0,
    lastPort: samples.at(-1)?.observed.port ?? 0,
  };
}
