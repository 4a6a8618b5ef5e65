import type { SecureContext } from 'node:tls';
import { concat, defer, map, NEVER, of, tap, throwError, timeout, type Observable } from 'rxjs';
import type { ResolvedConfig } from '../config.js';
import type { ServerAddress } from '../endpoint.js';
import { DialError, TimeoutError } from '../errors.js';
import type { PeerId } from '../identity.js';
import { Channel, framedWire } from '../link/channel.js';
import { freeDescriptors } from '../link/descriptors.js';
import { readHello$ } from '../link/handshake.js';
import { punch$ } from '../link/punch.js';
import { endpointsOf } from '../link/tcp.js';
import { secure$ } from '../link/tls.js';
import type { NatClassification } from '../nat/classify.js';
import { MAX_PREDICTIONS, predictPorts } from '../nat/predict.js';
import type { OwnPunchSide } from '../nat/punch-plan.js';
import { observe$ } from '../rendezvous/observe.js';
import type { Runtime } from '../runtime.js';
import type { Punching, PunchStep } from '../techniques/punching.js';
import { simultaneousOpen } from '../techniques/simultaneous-open.js';
import type { Peers } from './peers.js';

/** What punches are made of. */
export interface PunchingConfig {
  readonly config: ResolvedConfig;
  readonly runtime: Runtime;
  readonly context: SecureContext;
  readonly peers: Peers;
  /** What servers have shown of this node's NAT lately; `undefined` while they have not. */
  readonly nat: () => NatClassification | undefined;
  /** Servers to ask how this node looks at the moment, the one that carries its signals first. */
  readonly servers: () => readonly ServerAddress[];
  /** To that server and back, in milliseconds. */
  readonly roundTripMs: () => number;
  readonly tell: (step: PunchStep) => void;
}

/**
 * Punches leave from ports in this range: above those of services, and below those that systems give to connections by
 * themselves (Linux: 32768 to 60999, others: 49152 to 65535, RFC 6335 §6), of which any might be taken.
 */
const FIRST_LOCAL_PORT = 16_384;
const LOCAL_PORTS = 16_384 - 2 * MAX_PREDICTIONS;

/** What a node gives to its punches: its sockets, its key, and how it looks at the moment. */
export function punchingOf(given: PunchingConfig): Punching {
  const { config, runtime, context, peers } = given;
  const { handshakeMs } = config.timing;
  return {
    peerId: config.identity.peerId,
    side$: () => side$(given),
    roundTripMs: given.roundTripMs,
    // The rest is for everything else that the process has to open.
    options: () => ({ maxSockets: Math.floor(freeDescriptors() / 2), random: runtime.random }),
    punch$: (plan, tell) => punch$(plan, { ...runtime, localAddress: config.bind, tell }),
    secure$: (socket, role, peerId) => {
      const ends = endpointsOf(socket);
      return secure$(socket, { context, role, peerId }).pipe(
        timeout({
          first: handshakeMs,
          scheduler: runtime.scheduler,
          with: () => throwError(() => new TimeoutError(`There was no TLS handshake within ${handshakeMs} ms`)),
        }),
        map((secured) => ({ ...secured, ...ends, technique: simultaneousOpen.name, direct: true })),
      );
    },
    receive$: (link) => {
      const channel = new Channel(link, framedWire());
      return readHello$(channel, handshakeMs, runtime.scheduler).pipe(
        tap((hello) => {
          peers.receive(channel, hello);
        }),
      );
    },
    adopt: (link) => void peers.adopt(link),
    welcomes: (peerId) => peers.hasInboundSlot && isWelcome(config, peerId),
    tell: given.tell,
  };
}

/** How this node looks now, from local ports that it has not used: of a NAT whose ports are known there is nothing to ask. */
function side$({ config, runtime, nat, servers }: PunchingConfig): Observable<OwnPunchSide> {
  return defer(() => {
    const { natType, addresses } = nat() ?? {};
    const [address] = addresses ?? [];
    const [server] = servers();
    if (natType === undefined || address === undefined || server === undefined) {
      throw new DialError('No server has told yet where it sees this node');
    }
    const localPort = FIRST_LOCAL_PORT + Math.floor(runtime.random() * LOCAL_PORTS);
    const localPorts = Array.from({ length: MAX_PREDICTIONS }, (_, i) => localPort + i);
    const isKnown = natType.type === 'open' || natType.type === 'preserving' || natType.type === 'random';
    if (isKnown) {
      const ports = predictPorts(natType, { localPort, observedPort: undefined });
      return concat(of({ natType, address, ports, localPorts }), NEVER);
    }
    const isNext = natType.type === 'delta';
    return observe$(server, localPort, { ...config, runtime }).pipe(
      map(({ observed }) => ({
        natType,
        address: observed.address,
        ports: predictPorts(natType, { localPort, observedPort: observed.port }),
        // The mapping that was looked at is taken; a delta NAT makes the next for other ports.
        localPorts: isNext ? localPorts.map((port) => port + 1) : localPorts,
      })),
    );
  });
}

function isWelcome({ acceptPeer }: ResolvedConfig, peerId: PeerId): boolean {
  try {
    return acceptPeer(peerId);
  } catch {
    return false;
  }
}
