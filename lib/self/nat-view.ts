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
  /** The endpoints of the servers that have answered by it, the nearest first. */
  readonly servers: readonly Observer[];
  /** To the nearest of them and back, in milliseconds. */
  readonly roundTripMs: number;
  /** The external port of the mapping that was made last. */
  readonly lastPort: number;
}

/**
 * Simultaneous opens, and what is looked at for them, leave from ports in this range: above those of services, and below
 * those that systems give to connections by themselves (Linux: 32768 to 60999; others: the dynamic ports of RFC 6335 §6, 49152
 * to 65535), of which any might be taken.
 */
const FIRST_LOCAL_PORT = 16_384;
const LOCAL_PORTS = 16_384 - 2 * MAX_PREDICTIONS;

/** The first of some consecutive local ports that have not been used lately, as far as chance can tell. */
export function newLocalPort({ random }: Runtime): number {
  return FIRST_LOCAL_PORT + Math.floor(random() * LOCAL_PORTS);
}

/**
 * Has servers look at this node's NAT. Emits once what came of it, IPv6 first where both families did, and completes; no
 * server, or none that answers, gives nothing.
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
  const servers = nearest.map(({ server: { address, port }, path }) => ({ host: address, port, path }));
  trace({ type: 'nat', family, ...classification, samples: samples.length });
  return {
    ...classification,
    family,
    servers: servers.filter(
      ({ host, port }, i) => servers.findIndex((one) => one.host === host && one.port === port) === i,
    ),
    roundTripMs: nearest[0]?.roundTripMs ?? 0,
    lastPort: samples.at(-1)?.observed.port ?? 0,
  };
}
