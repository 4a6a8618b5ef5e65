import { defer, finalize, map, tap, type Observable } from 'rxjs';
import type { ResolvedConfig } from '../../config.js';
import { FramedLink, FramedWire } from '../../link/framed-link.js';
import { linkOf } from '../../link/link.js';
import { freeDescriptors } from '../../descriptors.js';
import { readHello$ } from '../../link/handshake.js';
import { punch$ } from './sockets.js';
import { endpointsOf } from '../../link/tcp.js';
import { secure$, type SecureSettings } from '../../link/tls.js';
import type { PunchPlan } from './plan.js';
import { within } from '../../operators/within.js';
import type { Dialect } from '../../rendezvous/dialect.js';
import type { Runtime } from '../../runtime.js';
import type { PunchContext } from './context.js';
import type { PunchStep } from './steps.js';
import { guestsOf } from '../../peers/guests.js';
import type { NatView } from '../../self/nat-view.js';
import type { Peers } from '../../peers/peers.js';
import { punchSides } from './own-side.js';
import { PUNCH } from './traits.js';

/** What punches need of their node. */
interface PunchContextConfig {
  readonly config: ResolvedConfig;
  readonly runtime: Runtime;
  readonly context: SecureSettings;
  /** How servers are asked what this node's NAT is. */
  readonly dialect: Dialect;
  readonly peers: Peers;
  /** What servers have shown of this node's NAT lately; waits for the first of it. */
  readonly nats$: Observable<readonly NatView[]>;
  /** To the server that carries this node's signals by a family, and back, in milliseconds. */
  readonly roundTripMs: PunchContext['roundTripMs'];
  /** Whether it may come to see a peer that no carrier of signals sees. */
  readonly looksForItself: boolean;
  readonly tell: (step: PunchStep) => void;
}

/** A plan with this many SYNs or more is a birthday plan. */
const BIRTHDAY_SYNS = 64;

/** What punches use of their node: its sockets, its key, and its predicted ports. */
export function punchContextOf(dependencies: PunchContextConfig): PunchContext {
  const { config, runtime, context, peers } = dependencies;
  const { handshakeMs } = config.timing;
  const sides = punchSides(dependencies);
  let birthdays = 0;
  return {
    peerId: config.identity.peerId,
    families$: sides.nats$.pipe(map((nats) => nats.map(({ family }) => family))),
    side$: sides.side$,
    roundTripMs: dependencies.roundTripMs,
    options: () => ({
      // The other half is left for everything else in the process.
      maxSockets: Math.floor(freeDescriptors() / 2),
      birthday: config.birthday,
      random: runtime.random,
    }),
    hasRoomFor: (plan) => birthdays === 0 || !isBirthday(plan),
    punch$: (plan, tell) => {
      const punched$ = punch$(plan, { ...runtime, localAddress: config.bind, tell });
      sides.count(plan);
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
        map((secured) => linkOf(secured, ends, PUNCH.name, true)),
      );
    },
    receive$: (link) => {
      const framed = new FramedLink(link, new FramedWire());
      return readHello$(framed, handshakeMs, runtime.scheduler).pipe(
        tap((hello) => {
          peers.receive(framed, hello);
        }),
      );
    },
    looksForItself: dependencies.looksForItself,
    satisfied$: (peerId) => peers.satisfied$(peerId),
    ...guestsOf(dependencies),
    tell: dependencies.tell,
    scheduler: runtime.scheduler,
  };
}

function isBirthday({ syns, synMs }: PunchPlan): boolean {
  // A paced plan gives up each SYN soon, so few are open at a time.
  return syns.length >= BIRTHDAY_SYNS && synMs === undefined;
}
