import { defaultIfEmpty, forkJoin, map, of, type Observable } from 'rxjs';
import type { ResolvedConfig } from '../config.js';
import type { Lan } from '../lan/lan.js';
import { networkLooks$, type NetworkLook } from '../link/network-looks.js';
import { secureContextOf } from '../link/tls.js';
import { Peers } from '../peers/peers.js';
import { Sightings } from '../peers/sightings.js';
import type { RendezvousSession } from '../rendezvous/session.js';
import type { Runtime } from '../runtime.js';
import { sessionsIn, signalRoundTripMs, type Findings } from '../self/findings.js';
import type { LocatorForm } from '../self/locator-form.js';
import { isOneAddress, localAddresses, locate } from '../self/locator.js';
import type { DhtCarrier } from '../signalling/carriers/dht.js';
import { signallingOver } from '../signalling/over-carriers.js';
import type { TechniqueHost } from '../techniques/host.js';
import type { Trace } from '../trace.js';
import type { Unl } from '../unl/types.js';
import { carriersOf, dhtOf } from './carriers.js';
import { localNetworkOf } from './local-network.js';
import { kindOf } from './security.js';

/** What a node is made of. */
interface NodeConfig {
  readonly config: ResolvedConfig;
  readonly runtime: Runtime;
  /** What it has found out about itself; replays the latest. */
  readonly findings$: Observable<Findings>;
  /** The latest of it. */
  readonly findings: () => Findings;
  readonly trace: Trace;
}

/** A node: its peers, its signals and its networks. It does nothing yet. */
export interface Node {
  /** As techniques see it. */
  readonly host: TechniqueHost;
  /** The local network, where it wants to be found there. */
  readonly lan: Lan | undefined;
  /** The DHT, where it takes part in one. */
  readonly dht: DhtCarrier | undefined;
  readonly locatorForm: LocatorForm;
  /** The sessions with its rendezvous servers, whenever they change. */
  readonly sessions$: Observable<readonly RendezvousSession[]>;
}

/** Puts the parts of a node together. */
export function nodeOf({ config, runtime, findings$, findings, trace }: NodeConfig): Node {
  const { identity } = config;
  const context = secureContextOf(identity);
  const { security, dialect, locatorForm } = kindOf({ config, runtime, context });
  const sightings = new Sightings({ now: () => runtime.scheduler.now() });
  const sessions$ = sessionsIn(findings$.pipe(map(({ servers }) => servers)));
  const network$ = networkOf$(config, runtime);
  const own = () => ownIn(findings(), config, locatorForm);
  const lan = localNetworkOf({ config, findings$, own, network$, runtime, trace });
  const dht = dhtOf(config, runtime, trace);
  const host: TechniqueHost = {
    config,
    runtime,
    context,
    security,
    dialect,
    peers: new Peers(config, runtime, security, trace),
    sightings,
    looksForItself: config.turn.length > 0 && config.relay !== false,
    signalling: signallingOver({
      identity,
      carriers: carriersOf(config, sessions$, { lan, dht }, runtime, trace),
      addressOf: (peerId) => sightings.addressOf(peerId),
      runtime,
      trace,
    }),
    findings$,
    network$,
    own,
    roundTripMs: (family) => signalRoundTripMs(findings(), family),
    trace,
  };
  return { host, lan, dht, locatorForm, sessions$ };
}

/** Looks at this machine's network for as long as anybody wants to know. */
function networkOf$({ bind, timing }: ResolvedConfig, { routedAddress$, scheduler }: Runtime): Observable<NetworkLook> {
  const routes$ = ([4, 6] as const).map((family) => routedAddress$(family).pipe(defaultIfEmpty(undefined)));
  // A node that is bound to one address has no others to put in order.
  const routed$ = isOneAddress(bind)
    ? of([])
    : forkJoin(routes$).pipe(map((addresses) => addresses.filter((address) => address !== undefined)));
  return networkLooks$({ everyMs: timing.networkMs, routed$, scheduler });
}

/** The locator as far as it is known, even while the servers are still being asked. */
function ownIn(
  { local = { address: '0.0.0.0', port: 0 }, location }: Findings,
  config: ResolvedConfig,
  form: LocatorForm,
): Unl {
  if (location !== undefined) return location.unl;
  // This reads the machine's interfaces, which takes the system some time.
  const unknown = { addresses: localAddresses(config.bind), servers: [], reaches: [], nats: [] };
  return locate(config, local, unknown, form).unl;
}
