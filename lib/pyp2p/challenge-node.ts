import { distinctUntilChanged, EMPTY, map, switchMap, type Observable } from 'rxjs';
import { contextOf } from '../connection/start.js';
import type { ResolvedConfig } from '../config.js';
import { plainConnection, plainLink } from './plain-connection.js';
import { DialError } from '../errors.js';
import { NO_NONCE } from './plain-wire.js';
import type { RendezvousSession } from '../rendezvous/session.js';
import type { Runtime } from '../runtime.js';
import { CHALLENGE } from './challenge.js';
import { answerChallenges$ } from './challenge-answer.js';
import { dialByChallenge } from './challenge-dial.js';
import type { ChallengeContext } from './challenge-context.js';
import { challengeTalkIn } from './dialect.js';
import { Pyp2pSecurity } from './security.js';
import type { PunchContext } from '../techniques/punch/context.js';
import { connectionKeyOf } from '../unl.js';
import { sessionsIn } from '../self/findings.js';
import type { TechniqueHost } from '../techniques/host.js';
import { canPunch, punchContextFor } from '../techniques/punch/punch.js';
import type { NodeTechnique } from '../techniques/technique.js';
import { takeWithNonce$ } from './nonces.js';
import type { Peers } from '../peers/peers.js';

/** What making that context needs of the node. */
export interface ChallengeContextConfig {
  readonly config: ResolvedConfig;
  readonly runtime: Runtime;
  readonly peers: Peers;
  /** The sessions that are open, whenever they change; replays the latest. */
  readonly sessions$: Observable<readonly RendezvousSession[]>;
  /** What challenges share with the punches of secured nets: this node's NAT type and ports, and how it punches. */
  readonly punchContext: PunchContext;
}

/** Plain links have no keys: a challenge is recognised by PyP2P's nonce, which exists in direct mode only. */
function canChallenge({ security, config: { mode } }: TechniqueHost): boolean {
  return security instanceof Pyp2pSecurity && mode === 'direct';
}

/** What a plain net gives to its challenges: its sessions and sockets, and connections that begin with PyP2P's nonce. */
function challengeContextOf({
  config,
  runtime,
  peers,
  sessions$,
  punchContext,
}: ChallengeContextConfig): ChallengeContext {
  const { side$, options, punch$, tell } = punchContext;
  const { scheduler, timeOfDay } = runtime;
  return {
    side$,
    options,
    punch$,
    tell,
    scheduler,
    timeOfDay,
    talks$: sessions$.pipe(map((sessions) => sessions.map(challengeTalkIn))),
    // The peer is known by the endpoint in its locator, not by the port that its NAT has chosen for this link.
    link: (socket, peer) => ({ ...plainLink(socket, CHALLENGE.name), peerId: connectionKeyOf(peer), hasNonce: true }),
    greet: (socket) => {
      socket.write(NO_NONCE);
    },
    receive$: (socket) =>
      takeWithNonce$(socket, {
        withinMs: config.timing.handshakeMs,
        late: 'The peer chose another connection, or none',
        runtime,
        take: () => {
          const link = plainLink(socket, CHALLENGE.name);
          if (!peers.hasInboundSlotFor(link.remote.address)) throw new DialError('All inbound slots are taken');
          const start = { direction: 'inbound', nonce: false } as const;
          peers.add(plainConnection(link, start, contextOf(config, runtime)));
        },
      }),
    hasSlotFor: (address) => peers.hasInboundSlotFor(address),
  };
}

/** PyP2P's challenges, which need rendezvous servers that see this node's NAT. */
export function challenge(host: TechniqueHost): NodeTechnique {
  const sessions$ = sessionsIn(host.findings$.pipe(map(({ servers }) => servers)));
  const context =
    canPunch(host) && canChallenge(host)
      ? challengeContextOf({ ...host, sessions$, punchContext: punchContextFor(host) })
      : undefined;
  return {
    ...CHALLENGE,
    dial: dialByChallenge(context),
    looksAtNat: context !== undefined,
    answer$: context === undefined ? EMPTY : answerWhileSimultaneous$(context, host),
  };
}

/** Answers challenges while others cannot dial this node, but its NAT can be predicted. Never emits, never fails. */
function answerWhileSimultaneous$(
  context: ChallengeContext,
  { findings$, config: { slots } }: Pick<TechniqueHost, 'findings$' | 'config'>,
): Observable<never> {
  return findings$.pipe(
    map(({ location, local }) => (location?.nodeType === 'simultaneous' ? local?.port : undefined)),
    distinctUntilChanged(),
    switchMap((port) => (port === undefined ? EMPTY : answerChallenges$(context, port, slots.inbound))),
  );
}
