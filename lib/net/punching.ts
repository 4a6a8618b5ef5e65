import type { SecureContext } from 'node:tls';
import { concat, defer, finalize, first, map, NEVER, of, switchMap, tap, timeout, type Observable } from 'rxjs';
import type { ResolvedConfig } from '../config.js';
import { hostKey } from '../endpoint.js';
import { DialError } from '../errors.js';
import type { PeerId } from '../identity.js';
import { Channel, framedWire } from '../link/channel.js';
import { freeDescriptors } from '../link/descriptors.js';
import { readHello$ } from '../link/handshake.js';
import { punch$ } from '../link/punch.js';
import { endpointsOf } from '../link/tcp.js';
import { secure$ } from '../link/tls.js';
import { MAX_PREDICTIONS, predictPorts } from '../nat/predict.js';
import type { OwnPunchSide, PunchPlan } from '../nat/punch-plan.js';
import { takeTurns, type Turn } from '../operators/take-turns.js';
import { within } from '../operators/within.js';
import { hostBuckets } from '../rate-limit.js';
import { observe$ } from '../rendezvous/observe.js';
import type { Runtime } from '../runtime.js';
import type { Punching } from '../techniques/punching.js';
import { simultaneousOpen } from '../techniques/simultaneous-open.js';
import type { PunchStep } from '../trace.js';
import { newLocalPort, type NatView } from './nat.js';
import type { Peers } from './peers.js';

/** What punches are made of. */
export interface PunchingConfig {
  readonly config: ResolvedConfig;
  readonly runtime: Runtime;
  readonly context: SecureContext;
  readonly peers: Peers;
  /** What servers have shown of this node's NAT lately; waits for the first of it. */
  readonly nats$: Observable<readonly NatView[]>;
  /** To the server that carries this node's signals by a family, and back, in milliseconds. */
  readonly roundTripMs: Punching['roundTripMs'];
  readonly tell: (step: PunchStep) => void;
}

/** A peer may ask for all rounds of an attempt at once, and for a few attempts in a minute … */
const ASKS_OF_PEER = { perSecond: 0.2, burst: 6 };

/** … and all who share an address for ten times as much. */
const ASKS_OF_ADDRESS = { perSecond: 2, burst: 60 };

/** Peers whose asks are counted. */
const MAX_ASKING = 1_000;

/** A plan of more SYNs is a birthday's. */
const BIRTHDAY_SYNS = 64;

/** What a node gives to its punches: its sockets, its key, and how it looks at the moment. */
export function punchingOf(given: PunchingConfig): Punching {
  const { config, runtime, context, peers } = given;
  const { handshakeMs } = config.timing;
  const now = () => runtime.scheduler.now();
  const mayAsk = hostBuckets({ ...ASKS_OF_PEER, maxHosts: MAX_ASKING, now });
  const mayAskFrom = hostBuckets({ ...ASKS_OF_ADDRESS, maxHosts: MAX_ASKING, now });
  // Two queues: whoever waits for an answer to its ask must not keep a peer that asks it waiting for the same reason.
  const turns = { us: takeTurns(), peer: takeTurns() };
  let birthdays = 0;
  return {
    peerId: config.identity.peerId,
    families$: known$(given).pipe(map((nats) => nats.map(({ family }) => family))),
    side$: (family, peerAddresses, by) => side$(given, family, peerAddresses, turns[by]),
    roundTripMs: given.roundTripMs,
    options: () => ({
      // The other half is for everything else that the process has to open.
      maxSockets: Math.floor(freeDescriptors() / 2),
      birthday: config.birthday,
      random: runtime.random,
    }),
    hasRoomFor: (plan) => birthdays === 0 || !isBirthday(plan),
    punch$: (plan, tell) => {
      const punched$ = punch$(plan, { ...runtime, localAddress: config.bind, tell });
      if (!isBirthday(plan)) return punched$;
      return defer(() => {
        birthdays++;
        return punched$.pipe(finalize(() => birthdays--));
      });
    },
    secure$: (socket, role, peerId) => {
      const ends = endpointsOf(socket);
      return secure$(socket, { context, role, peerId }).pipe(
        within(handshakeMs, 'There was no TLS handshake', runtime.scheduler),
        map((secured) => ({ ...secured, ...ends, technique: simultaneousOpen.name, direct: true })),
      );
    },
    receive$: (link, by) => {
      const channel = new Channel(link, framedWire());
      return readHello$(channel, handshakeMs, runtime.scheduler).pipe(
        tap((hello) => {
          peers.receive(channel, hello, by === 'us' ? 'outbound' : 'inbound');
        }),
      );
    },
    arrival$: (peerId) => peers.arrival$(peerId),
    adopt: (link) => {
      peers.adoptAsked(link);
    },
    welcomes: (peerId, seenAt) =>
      mayAsk(peerId) && mayAskFrom(hostKey(seenAt ?? '0.0.0.0')) && peers.hasInboundSlot && isWelcome(config, peerId),
    tell: given.tell,
  };
}

/** What servers have shown; where none has yet, one may be about to. */
function known$({
  config,
  runtime,
  nats$,
}: Pick<PunchingConfig, 'config' | 'runtime' | 'nats$'>): Observable<readonly NatView[]> {
  return nats$.pipe(
    first((nats) => nats.length > 0, []),
    timeout({ first: config.timing.natMs, scheduler: runtime.scheduler, with: () => of([]) }),
  );
}

/** How this node looks now, from local ports that it has not used: of a NAT whose ports are known there is nothing to ask. */
function side$(
  { config, runtime, nats$ }: PunchingConfig,
  family: 4 | 6,
  peerAddresses: readonly string[],
  turn: Turn,
): Observable<OwnPunchSide> {
  return known$({ config, runtime, nats$ }).pipe(
    switchMap((nats) => {
      const nat = nats.find((view) => view.family === family);
      const { natType, addresses = [], servers: [server] = [] } = nat ?? {};
      const [address] = addresses;
      if (natType === undefined || address === undefined || server === undefined) {
        throw new DialError(`No server has told yet where it sees this node by IPv${family}`);
      }
      const localPort = newLocalPort(runtime);
      const localPorts = Array.from({ length: MAX_PREDICTIONS }, (_, i) => localPort + i);
      const isKnown = natType.type === 'open' || natType.type === 'preserving' || natType.type === 'random';
      const isBehindOneNat = natType.type !== 'open' && addresses.some((each) => peerAddresses.includes(each));
      if (isKnown && !isBehindOneNat) {
        const ports = predictPorts(natType, { localPort, observedPort: undefined });
        return concat(of({ natType, address, ports, localPorts }), NEVER);
      }
      const isNext = natType.type === 'delta';
      const observed$ = observe$(server, localPort, { ...config, runtime });
      // What is predicted holds until somebody else takes the next ports: another punch of this node's waits for this one.
      return (isNext ? turn(observed$) : observed$).pipe(
        map(({ observed }) => ({
          natType,
          address: observed.address,
          ports: predictPorts(natType, { localPort, observedPort: observed.port }),
          // The mapping that was looked at is taken; a delta NAT makes the next for other ports.
          localPorts: isNext ? localPorts.map((port) => port + 1) : localPorts,
        })),
      );
    }),
  );
}

function isBirthday({ syns }: PunchPlan): boolean {
  return syns.length >= BIRTHDAY_SYNS;
}

function isWelcome({ acceptPeer }: ResolvedConfig, peerId: PeerId): boolean {
  try {
    return acceptPeer(peerId);
  } catch {
    return false;
  }
}
