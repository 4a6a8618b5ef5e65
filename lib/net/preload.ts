import type { ResolvedConfig } from '../config.js';
import { scopeOf } from '../endpoint.js';
import {
  loadDefaultGateway,
  loadDhtRpc,
  loadMqttPacket,
  loadNatPmp,
  loadNatUpnp,
  loadNodeFetch,
  loadWs,
} from '../packages.js';
import { loadUpnp } from '../port-mapping/load-upnp.js';

/**
 * Loads what a node with this configuration will need beside what every node does, and no more: packages, and parts of the library.
 * Resolves when all is loaded. What cannot be loaded is no failure here: the part of the node that needs it says so.
 *
 * @example
 * await preload(resolveConfig({ mode: 'direct', rendezvous: ['rv.example.org:8000'] }));
 */
export async function preload(config: ResolvedConfig): Promise<void> {
  await Promise.allSettled(loadersOf(config).map((load) => load()));
}

/** What loads what a node with this configuration will need beside what every node does. */
export function loadersOf(config: ResolvedConfig): readonly (() => Promise<unknown>)[] {
  const { dht, mailbox, mqtt, portMapping, reachability, rendezvous, provesKeys } = config;
  const mapsPorts = portMapping.length > 0 && canAskGateway(config);
  const isDialledBack =
    reachability !== false && [reachability, rendezvous, mailbox, dht].some(({ length }) => length > 0);
  const asksBrokers = provesKeys ? mqtt : [];
  const mapsByUpnp = mapsPorts && portMapping.includes('upnp');
  return [
    ...(isDialledBack || mailbox.length > 0 || mapsByUpnp ? [loadNodeFetch] : []),
    ...(rendezvous.some(({ url }) => url !== undefined) || asksBrokers.some(({ url }) => url.startsWith('ws'))
      ? [loadWs]
      : []),
    ...(mapsPorts ? [loadDefaultGateway] : []),
    ...(mapsByUpnp ? [loadNatUpnp, loadUpnp] : []),
    ...(mapsPorts && portMapping.includes('nat-pmp') ? [loadNatPmp] : []),
    ...(dht.length > 0 && provesKeys ? [loadDhtRpc] : []),
    ...(asksBrokers.length > 0 ? [loadMqttPacket] : []),
  ];
}

/** Whether there may be a gateway to ask: see `reach$`. */
function canAskGateway({ bind, forwarded, reachability }: ResolvedConfig): boolean {
  if (forwarded || reachability === false) return false;
  return bind === undefined || scopeOf(bind) !== 'loopback' || reachability.length > 0;
}
