import { combineLatest, EMPTY, map, type Observable } from 'rxjs';
import { Seen } from '../../bounds/seen.js';
import type { PeerId } from '../../identity.js';
import type { ResolvedConfig } from '../../config.js';
import type { SecureSettings } from '../../link/tls.js';
import { formatEndpoint, formatServer } from '../../endpoint.js';
import { servicesOf } from '../../rendezvous-name.js';
import { join$ } from './join.js';
import type { ServerState } from '../../rendezvous/client.js';
import type { Runtime } from '../../runtime.js';
import type { TechniqueHost } from '../host.js';
import { relayedLinks } from '../relayed-links.js';
import type { NodeTechnique } from '../technique.js';
import { dialByRelay } from './dial.js';
import { RELAY } from './traits.js';
import { answerRelays$ } from './answer.js';
import { checkRelays$ } from './check.js';
import type { RelayContext } from './context.js';
import type { Relay } from './known-relays.js';
import { meetBy } from './meeting.js';
import { guestsOf } from '../../peers/guests.js';
import type { Peers } from '../../peers/peers.js';
import { haveTold, httpServers, httpUrlOf, isLate$, type Findings } from '../../self/findings.js';

/** What meetings at relays need of their node. */
interface RelayContextConfig {
  readonly config: ResolvedConfig;
  readonly runtime: Runtime;
  readonly context: SecureSettings;
  readonly peers: Peers;
  /** What the node has found out about itself; replays the latest. */
  readonly findings$: Observable<Findings>;
}

/** For how long it is known at which relays peers were missed: those are tried last. */
const MISSED = { forMs: 60_000, maxEntries: 1_000 };

/** Meetings at the relays that both nodes know. */
export function relay(host: TechniqueHost): NodeTechnique {
  const context = canRelay(host.config) ? relayContextOf(host) : undefined;
  return {
    ...RELAY,
    dial: dialByRelay(context),
    answer$: context === undefined ? EMPTY : answerRelays$(host.signalling, context),
    check$: context && checkRelays$(context),
  };
}

/** Without keys the two ends could not authenticate each other behind a relay. */
function canRelay({ relay: urls, provesKeys }: ResolvedConfig): boolean {
  return urls !== false && provesKeys;
}

/** What relay meetings use of their node: the relays of its servers, its sockets and its key. */
function relayContextOf(dependencies: RelayContextConfig): RelayContext {
  const { config, runtime, findings$ } = dependencies;
  const { identity, bind, timing } = config;
  const { scheduler } = runtime;
  const { secure$, receive$ } = relayedLinks(RELAY.name, dependencies);
  const missed = new Seen({ now: () => scheduler.now(), ...MISSED });
  const nameOf = (peerId: PeerId, { href }: URL) => `${peerId} ${href}`;
  return {
    known$: combineLatest([findings$, isLate$(timing.gatherMs, scheduler)]).pipe(
      map(([{ servers }, isLate]) => ({
        relays: relaysOf(config, servers),
        isWhole: isLate || (servers.length === config.rendezvous.length && haveTold(servers)),
      })),
    ),
    newToken: () => runtime.newId(),
    join$: (url, to, token) =>
      join$(url, { identity, to, token, localAddress: bind, timeoutMs: timing.dialMs, runtime }),
    meet$: meetBy((stream, role, peerId) => secure$(stream, stream.ends$, role, peerId)),
    receive$,
    hasMissed: (peerId, url) => missed.has(nameOf(peerId, url)),
    misses: (peerId, url) => {
      missed.add(nameOf(peerId, url));
    },
    ...guestsOf(dependencies),
    scheduler,
  };
}

/**
 * The relays of a node: the configured ones, else those beside the servers that it knows. Each is listed once, with what the
 * sessions have shown of it. Pure.
 */
export function relaysOf(config: ResolvedConfig, servers: readonly ServerState[]): readonly Relay[] {
  const { relay: configured } = config;
  if (configured === false) return [];
  const urls =
    configured.length > 0
      ? configured
      : [...servers.flatMap((state) => httpUrlOf(state) ?? []), ...httpServers(config)];
  const each = new Map(urls.map((url) => [url.href, url]));
  return [...each.values()].map((url) => {
    // The path is ignored when servers are compared.
    const beside = servers.filter((state) => httpUrlOf(state)?.origin === url.origin);
    const sessions = beside.flatMap(({ session }) => session ?? []);
    const roundTrips = sessions.flatMap(({ roundTripMs }) => roundTripMs ?? []);
    return {
      url,
      at: sessions.flatMap(({ server, remote: { address }, httpPort }) => {
        const port = servicesOf(server) === undefined ? httpPort : server.port;
        return port === undefined ? [] : formatEndpoint({ address, port });
      }),
      id: sessions.find(({ serverId }) => serverId !== undefined)?.serverId,
      meetings: [
        ...beside.map(({ server }) => formatServer(server)),
        ...sessions.map(({ remote }) => formatEndpoint(remote)),
      ],
      roundTripMs: roundTrips.length === 0 ? undefined : Math.min(...roundTrips),
    };
  });
}
