import type { Facts } from './check.js';
import type { ResolvedConfig } from '../../config.js';
import { familyOf, scopeOf } from '../../endpoint.js';
import { httpServers, httpUrlOf, reachabilityServers, type Findings } from '../../self/findings.js';
import { isRelay, type ServerReport } from '../../server-report.js';
import { observedAddresses } from '../../self/locator.js';
import type { Reach } from '../../reachability.js';
import type { ClockStatus } from '../clock-watch.js';
import type { Asked, Ipv6Check } from './interface.js';
import { silentAmong } from './silent.js';

/** What a net knows beside what it has found out of itself. */
interface Known {
  readonly services: readonly ServerReport[];
  readonly clock: ClockStatus | undefined;
  readonly asked: Asked;
  /** Whether there has been time enough. */
  readonly isLate: boolean;
}

/** What a check is made of. Pure. */
export function factsOf(config: ResolvedConfig, findings: Findings, known: Known): Facts {
  const { clock, asked, isLate } = known;
  const { servers, reaches, nats, location } = findings;
  const silent = silentAmong(config, known.services);
  const services = isLate ? [...known.services, ...silent] : known.services;
  const { unl, nodeType } = location ?? {};
  const endpoints = unl?.version === 3 ? unl.endpoints : [];
  // Relays stand beside the servers, unless others are named.
  const beside = [...httpServers(config), ...servers.flatMap((state) => httpUrlOf(state) ?? [])];
  const relays = config.relay === false ? [] : [...config.turn, ...config.relay, ...beside];
  const askedRelays = services.filter(isRelay);
  // A node takes itself for reachable if it has a public address. That is a guess until a server has seen or dialled it there.
  // What a server has tried counts at once: the node's own type follows a moment later.
  const proofs = (reaches ?? []).flatMap(({ isReachable }) => isReachable ?? []);
  const takesItself = proofs.length === 0 ? nodeType === 'passive' : config.forwarded || proofs.includes(true);
  const isTried =
    config.forwarded ||
    reaches?.some(({ isReachable }) => isReachable === true) === true ||
    observedAddresses(servers, nats ?? []).length > 0;
  const isSettled =
    location !== undefined &&
    nats !== undefined &&
    reaches?.every((reach) => reach.isSettled) === true &&
    silent.length === 0 &&
    !isUnasked(config, findings, services);
  const addresses = [...new Set(endpoints.filter(({ kind }) => kind === 'lan').map(({ address }) => address))];
  return {
    ...asked,
    isSettled: isSettled || isLate,
    addresses,
    services,
    sessions: servers.flatMap((state) =>
      state.session === undefined
        ? []
        : [
            {
              server: state.server,
              roundTripMs: state.session.roundTripMs,
              observed: state.observed,
              services: httpUrlOf(state)?.href,
            },
          ],
    ),
    nats: (nats ?? []).map((view) => ({
      family: view.family,
      natType: view.natType,
      confidence: view.confidence,
      addresses: view.addresses,
      servers: view.servers.length,
      roundTripMs: view.roundTripMs,
    })),
    reach: reaches ?? [],
    ipv6: ipv6Of(addresses, reaches ?? []),
    mapsPorts: config.portMapping.length > 0,
    isForwarded: config.forwarded,
    hasRelay:
      relays.length > 0 && (askedRelays.length === 0 || askedRelays.some(({ failure }) => failure === undefined)),
    clock,
    canBeDialled: takesItself && isTried,
    isUntried: takesItself && !isTried,
    hasTurn: config.turn.length > 0 && config.relay !== false,
    triesMany: config.birthday,
  };
}

/** Whether a server that could dial back has only just become known: it is asked in a moment. */
function isUnasked(config: ResolvedConfig, { servers, reaches }: Findings, services: readonly ServerReport[]): boolean {
  const isAsked = services.some(({ kind }) => kind === 'reachability');
  const isOpen = reaches?.some(({ isReachable }) => isReachable === undefined) === true;
  return isOpen && !isAsked && reachabilityServers(config, servers).length > 0;
}

/** What the dial back of a server has shown of IPv6. */
function ipv6Of(all: readonly string[], reaches: readonly Reach[]): Ipv6Check {
  const addresses = all.filter((address) => familyOf(address) === 6 && scopeOf(address) === 'global');
  if (addresses.length === 0) return { state: 'none', addresses };
  const isReachable = reaches.find(({ family }) => family === 6)?.isReachable;
  return { state: isReachable === undefined ? 'unknown' : isReachable ? 'open' : 'closed', addresses };
}
