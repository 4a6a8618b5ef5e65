import { distinctUntilChanged, EMPTY, map, switchMap, type Observable } from 'rxjs';
import type { ResolvedConfig } from '../config.js';
import { plainConnection, plainLink } from '../connection/plain-connection.js';
import { DialError } from '../errors.js';
import { NO_NONCE } from '../link/plain.js';
import type { RendezvousSession } from '../rendezvous/session.js';
import type { Runtime } from '../runtime.js';
import { answerChallenges$, challenge } from '../techniques/challenge.js';
import type { Challenging } from '../techniques/challenging.js';
import type { Punching } from '../techniques/punching.js';
import { connectionKeyOf } from '../unl.js';
import type { Location } from './locator.js';
import { takeWithNonce$ } from './nonces.js';
import type { Peers } from './peers.js';

/** What challenges are made of. */
export interface ChallengingConfig {
  readonly config: ResolvedConfig;
  readonly runtime: Runtime;
  readonly peers: Peers;
  /** The sessions that are open, whenever they change; replays the latest. */
  readonly sessions$: Observable<readonly RendezvousSession[]>;
  /** What they share with the simultaneous opens of secured nets: how this node looks, and how it punches. */
  readonly punching: Punching;
}

/** Plain links have no key to tell peers by: nodes go by PyP2P's nonce, which there is in direct mode only. */
export function canChallenge({ security, mode }: ResolvedConfig): boolean {
  return security === 'plain' && mode === 'direct';
}

/** What a plain net gives to its challenges: its sessions and sockets, and connections that begin with PyP2P's nonce. */
export function challengingOf({ config, runtime, peers, sessions$, punching }: ChallengingConfig): Challenging {
  const { side$, options, punch$, tell } = punching;
  const { scheduler, timeOfDay } = runtime;
  return {
    side$,
    options,
    punch$,
    tell,
    scheduler,
    timeOfDay,
    talks$: sessions$.pipe(map((sessions) => sessions.map(({ challenges }) => challenges))),
    // By the endpoint in its locator, which it was asked for, and not by the port that its NAT happened to give.
    link: (socket, peer) => ({ ...plainLink(socket, challenge.name), peerId: connectionKeyOf(peer), hasNonce: true }),
    greet: (socket) => {
      socket.write(NO_NONCE);
    },
    receive$: (socket) =>
      takeWithNonce$(socket, {
        withinMs: config.timing.handshakeMs,
        late: 'The peer chose another connection, or none',
        runtime,
        take: () => {
          const link = plainLink(socket, challenge.name);
          if (!peers.hasInboundSlotFor(link.remote.address)) throw new DialError('All inbound slots are taken');
          const start = { direction: 'inbound', nonce: false } as const;
          peers.add(plainConnection(link, start, { ...config, runtime }));
        },
      }),
    hasSlotFor: (address) => peers.hasInboundSlotFor(address),
  };
}

/** Answers challenges while others cannot dial this node, but its NAT can be predicted. Never emits, never fails. */
export function answerWhileSimultaneous$(
  challenging: Challenging,
  location$: Observable<Location>,
  port: number,
  maxInbound: number,
): Observable<never> {
  return location$.pipe(
    map(({ nodeType }) => nodeType === 'simultaneous'),
    distinctUntilChanged(),
    switchMap((isSimultaneous) => (isSimultaneous ? answerChallenges$(challenging, port, maxInbound) : EMPTY)),
  );
}
