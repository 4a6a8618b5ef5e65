import { defaultIfEmpty, defer, map, merge, NEVER, of, switchMap, takeUntil, type Observable } from 'rxjs';
import { createKeeper } from '../lib/dht/keeper.js';
import { dhtLimits, type DhtLimits } from '../lib/dht/limits.js';
import { dhtNode$ } from '../lib/dht/node.js';
import { canonicalAddress, familyOf, scopeOf, type Endpoint, type ServerAddress } from '../lib/endpoint.js';
import { routedAddress$ } from '../lib/port-mapping/gateway.js';
import { mostReachable, ownAddresses } from '../lib/link/interfaces.js';
import { systemRuntime, type Runtime } from '../lib/runtime.js';
import { expectInteger, invalidOption } from '../lib/validate.js';
import type { DrainConfig } from './drain.js';

/** The options of a node of the DHT that serves. */
export interface DhtServerConfig extends DrainConfig {
  /** The local IPv4 address. Default: all. */
  readonly bind?: string | undefined;
  /** The UDP port. */
  readonly port: number;
  /**
   * The IPv4 address at which others reach it, under the same port. Default: `bind`, or this machine's own, a public one if there
   * is one. Behind a router that forwards the port it must be set: other nodes only count a node that knows its own address.
   */
  readonly address?: string | undefined;
  /** Nodes of a DHT to join. Default: starts a DHT of its own. */
  readonly bootstrap?: readonly ServerAddress[] | undefined;
  /** Limits that differ from the defaults. */
  readonly limits?: Partial<DhtLimits> | undefined;
}

/** A node of the DHT that serves. */
export interface DhtServer {
  /** Its UDP endpoint. */
  readonly local: Endpoint;
}

/**
 * Runs a node of the DHT for as long as it is subscribed to: others begin with it, and it keeps parcels and announcements
 * for them. Emits once it listens. Completes only when it is drained.
 *
 * @param config what it is to be.
 * @param runtime time and chance; specs give their own. Default: the real ones.
 * @throws ListenError (`LISTEN_FAILED`) when the port cannot be listened on; InvalidOptionError (`INVALID_OPTION`) when the address is
 * none of IPv4, or a port or a limit is none.
 *
 * @example
 * dhtServer$({ port: 8001 }).subscribe(({ local }) => console.log(`DHT on UDP port ${local.port}`));
 */
export function dhtServer$(
  { bind, port, address, bootstrap = [], limits: overrides, drain$ = NEVER }: DhtServerConfig,
  runtime: Pick<Runtime, 'scheduler' | 'random'> = systemRuntime,
): Observable<DhtServer> {
  return defer(() => {
    expectInteger('dhtPort', port, 0, 65535);
    if (address !== undefined) expectAddress(address);
    const limits = dhtLimits(overrides);
    // dht-rpc speaks IPv4 only.
    const local = bind === undefined || familyOf(bind) === 6 ? undefined : bind;
    const own = address ?? local;
    return (own === undefined ? ownAddress$() : of(own)).pipe(
      switchMap((at) => dhtNode$({ bind: local, port, address: at, bootstrap })),
      switchMap((node) => merge(createKeeper({ node, limits, runtime }).serve$, of(node))),
      map((node) => ({ local: node.local })),
      takeUntil(drain$),
    );
  });
}

/** An IPv4 address that can be one host's: dht-rpc speaks IPv4 only. */
function expectAddress(address: string): void {
  const isIPv4 = canonicalAddress(address) === address && familyOf(address) === 4;
  if (isIPv4 && scopeOf(address) !== 'unusable') return;
  throw invalidOption('dhtAddress', 'the IPv4 address at which others reach the node, such as 192.0.2.1', address);
}

/** An IPv4 address of this machine, a public one if possible; if the system lists none, that of the default route. */
function ownAddress$(): Observable<string> {
  const addresses = ownAddresses();
  if (addresses === undefined) return routedAddress$(4).pipe(defaultIfEmpty('127.0.0.1'));
  return of(mostReachable(addresses.filter((address) => familyOf(address) === 4)) ?? '127.0.0.1');
}
