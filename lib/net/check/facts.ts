import type { Facts } from './check.js';
import type { ResolvedConfig } from '../../config.js';
import { httpServers, httpUrlOf, type Findings } from '../../self/findings.js';
import { formatRendezvous } from '../../rendezvous-name.js';
import { isRelay, type ServerReport } from '../../server-report.js';
import { observedAddresses } from '../../self/locator.js';
import type { ClockStatus } from '../clock-watch.js';

/** What a net knows beside what it has found out of itself. */
interface Known {
  readonly services: readonly ServerReport[];
  readonly clock: ClockStatus | undefined;
  /** Whether there has been time enough. */
  readonly isLate: boolean;
}

/** What a check is made of. Pure. */
export function factsOf(config: ResolvedConfig, findings: Findings, { services, clock, isLate }: Known): Facts {
  const { servers, reaches, nats, location } = findings;
  const { unl, nodeType } = location ?? {};
  const endpoints = unl?.version === 3 ? unl.endpoints : [];
  // Relays stand beside the servers, unless others are named.
  const beside = [...httpServers(config), ...servers.flatMap((state) => httpUrlOf(state) ?? [])];
  const relays = config.relay === false ? [] : [...config.turn, ...config.relay, ...beside];
  const asked = services.filter(isRelay);
  // A node takes itself for reachable if it has a public address. That is a guess until a server has seen or dialled it there.
  const takesItself = nodeType === 'passive';
  const isTried =
    config.forwarded ||
    reaches?.some(({ isReachable }) => isReachable === true) === true ||
    observedAddresses(servers, nats ?? []).length > 0;
  const silent = silentServers(config, services);
  const isSettled =
    silent.length === 0 &&
    location !== undefined &&
    nats !== undefined &&
    reaches?.every((reach) => reach.isSettled) === true;
  return {
    isSettled: isSettled || isLate,
    addresses: [...new Set(endpoints.filter(({ kind }) => kind === 'lan').map(({ address }) => address))],
    services: isLate ? [...services, ...silent] : services,
    sessions: servers.flatMap(({ server, session, observed }) =>
      session === undefined ? [] : [{ server, roundTripMs: session.roundTripMs, observed }],
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
    isForwarded: config.forwarded,
    hasRelay: relays.length > 0 && (asked.length === 0 || asked.some(({ failure }) => failure === undefined)),
    clock,
    canBeDialled: takesItself && isTried,
    isUntried: takesItself && !isTried,
    hasTurn: config.turn.length > 0 && config.relay !== false,
    triesMany: config.birthday,
  };
}

/** Servers with which there is neither a session nor a failure yet: of one that accepts and says nothing, nothing else would be told. */
function silentServers(config: ResolvedConfig, services: readonly ServerReport[]): readonly ServerReport[] {
  const failure = 'has not answered yet';
  const named: readonly ServerReport[] = [
    ...config.rendezvous.map((server) => ({ kind: 'rendezvous' as const, server: formatRendezvous(server), failure })),
    ...config.mqtt.map(({ url }) => ({ kind: 'MQTT' as const, server: url, failure })),
  ];
  return named.filter(({ kind, server }) => !services.some((told) => told.kind === kind && told.server === server));
}
