import { map, type Observable } from 'rxjs';
import { familyOf } from '../endpoint.js';
import { classify, type NatClassification } from '../nat/classify.js';
import { MAX_PREDICTIONS } from '../nat/predict.js';
import { sample$, type Observation, type ObserveConfig, type Observer } from '../rendezvous/observe.js';
import type { Runtime } from '../runtime.js';
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
 * answer, none.
 *
 * @param addresses this machine's own.
 */
export function natViews$(
  servers: readonly Observer[],
  addresses: readonly string[],
  config: ObserveConfig,
  trace: SelfTrace,
): Observable<readonly NatView[]> {
  return sample$(servers, newLocalPort(config.runtime), config).pipe(
    map((samples) =>
      ([6, 4] as const).flatMap((family) => {
        const ofFamily = samples.filter(({ server }) => familyOf(server.address) === family);
        return ofFamily.length === 0 ? [] : viewOf(family, ofFamily, addresses, trace);
      }),
    ),
  );
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
  trace({ type: 'nat', family, ...classification, samples: samples.length });
  return {
    ...classification,
    family,
    servers: servers.filter(({ at, port }, i) => servers.findIndex((one) => one.at === at && one.port === port) === i),
    roundTripMs: nearest[0]?.roundTripMs ?? 0,
    lastPort: samples.at(-1)?.observed.port ?? 0,
  };
}
