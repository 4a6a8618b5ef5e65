import { concat, defer, filter, first, map, merge, NEVER, of, switchMap, tap, timeout, type Observable } from 'rxjs';
import type { ResolvedConfig } from '../../config.js';
import { familyOf } from '../../endpoint.js';
import { DialError } from '../../errors.js';
import { MAX_PREDICTIONS, predictPorts } from '../../nat/predict.js';
import type { OwnPunchSide, PunchPlan } from './plan.js';
import { takeTurns } from '../../operators/take-turns.js';
import type { Dialect } from '../../rendezvous/dialect.js';
import { observe$, type Observation } from '../../rendezvous/observe.js';
import type { Runtime } from '../../runtime.js';
import type { SideOptions } from './context.js';
import { newLocalPort, type NatView } from '../../self/nat-view.js';

/** What predicting this node's ports needs. */
interface PunchSideConfig {
  readonly config: ResolvedConfig;
  readonly runtime: Runtime;
  /** How servers are asked. */
  readonly dialect: Dialect;
  /** What servers have shown of this node's NAT lately; waits for the first of it. */
  readonly nats$: Observable<readonly NatView[]>;
}

/** Predicts this node's side of a punch. */
interface PunchSides {
  /** What servers have shown; nothing where none does in time. Emits once. */
  readonly nats$: Observable<readonly NatView[]>;
  /** See `PunchContext.side$`. */
  readonly side$: (family: 4 | 6, peerAddresses: readonly string[], options: SideOptions) => Observable<OwnPunchSide>;
  /** Called with each plan that is carried out, to count its mappings. */
  readonly count: (plan: PunchPlan) => void;
}

/** A prediction that is off by this many mappings of others is not withdrawn: it has room for as many more. */
const HARMLESS = 3;

/** The last observation of a NAT that counts its ports. */
interface Count {
  readonly port: number;
  /** SYNs that punches had sent before. */
  readonly sent: number;
  /** Whether nobody else used the NAT in between. */
  readonly isQuiet: boolean;
}

/**
 * Predicts this node's external ports for unused local ports. If the NAT's ports are known, no server is asked. If the NAT counts
 * its ports, a server is asked, which takes two round trips; while nobody else uses the NAT, the answer is predicted before it
 * comes.
 */
export function punchSides({ config, dialect, runtime, nats$: views$ }: PunchSideConfig): PunchSides {
  const counts = new WeakMap<NatView, Count>();
  const sent = { 4: 0, 6: 0 };
  // Two queues: otherwise two nodes that ask each other at the same time would each wait for the other.
  const turns = { us: takeTurns(), peer: takeTurns() };
  const nats$ = views$.pipe(
    first((nats) => nats.length > 0, []),
    timeout({ first: config.timing.natMs, scheduler: runtime.scheduler, with: () => of([]) }),
  );

  /** A prediction holds until somebody takes the next ports, so other punches of this node wait for this one. */
  const counted$ = (nat: NatView, address: string, look: Look, { by, mayGuess }: SideOptions) =>
    turns[by](
      defer(() => {
        const { natType, family } = nat;
        const last = counts.get(nat) ?? { port: nat.lastPort, sent: 0, isQuiet: nat.confidence === 1 };
        const { localPort } = look;
        // The observation makes a mapping itself, so a delta NAT's next ports are for other local ports.
        const localPorts = look.localPorts.map((port) => port + 1);
        const sentBefore = sent[family];
        const madeSince = sentBefore - last.sent + 1;
        const guess = predictPorts(natType, { localPort, observedPort: last.port, madeSince });
        const isGuessed = mayGuess && last.isQuiet;
        const isRight = (ports: readonly number[]) => guess.slice(0, HARMLESS).includes(ports[0] ?? 0);
        const fresh$ = look.observed$.pipe(
          map(({ observed }) => ({
            observed,
            ports: predictPorts(natType, { localPort, observedPort: observed.port }),
          })),
          tap(({ observed: { port }, ports }) => counts.set(nat, { port, sent: sentBefore, isQuiet: isRight(ports) })),
          filter(({ ports }) => !isGuessed || !isRight(ports)),
          map(({ observed, ports }) => ({ natType, address: observed.address, ports, localPorts })),
        );
        return isGuessed ? merge(of({ natType, address, ports: guess, localPorts }), fresh$) : fresh$;
      }),
    );

  return {
    nats$,
    count: ({ address, syns }) => {
      sent[familyOf(address)] += syns.length;
    },
    side$: (family, peerAddresses, options) =>
      nats$.pipe(
        switchMap((nats): Observable<OwnPunchSide> => {
          const nat = nats.find((view) => view.family === family);
          const { addresses: [address] = [], servers: [server] = [] } = nat ?? {};
          if (nat === undefined || address === undefined || server === undefined) {
            throw new DialError(`No server has told yet where it sees this node by IPv${family}`);
          }
          const { natType, addresses } = nat;
          const localPort = newLocalPort(runtime);
          const localPorts = Array.from({ length: MAX_PREDICTIONS }, (_, i) => localPort + i);
          const isKnown = natType.type === 'open' || natType.type === 'preserving' || natType.type === 'random';
          const isBehindOneNat = natType.type !== 'open' && addresses.some((each) => peerAddresses.includes(each));
          if (isKnown && !isBehindOneNat) {
            const ports = predictPorts(natType, { localPort, observedPort: undefined });
            return concat(of({ natType, address, ports, localPorts }), NEVER);
          }
          const observed$ = observe$(server, localPort, { ...config, dialect, runtime });
          if (natType.type === 'delta') return counted$(nat, address, { localPort, localPorts, observed$ }, options);
          return observed$.pipe(
            map(({ observed }) => ({
              natType,
              address: observed.address,
              ports: predictPorts(natType, { localPort, observedPort: observed.port }),
              localPorts,
            })),
          );
        }),
      ),
  };
}

/** Observes a local port that is about to be used. */
interface Look {
  readonly localPort: number;
  readonly localPorts: readonly number[];
  readonly observed$: Observable<Observation>;
}
