import {
  catchError,
  defer,
  EMPTY,
  filter,
  finalize,
  ignoreElements,
  map,
  merge,
  NEVER,
  of,
  share,
  startWith,
  switchMap,
  take,
  takeUntil,
  timer,
  type Observable,
} from 'rxjs';
import type { Timing } from '../config.js';
import { formatServer, type Endpoint, type ServerAddress } from '../endpoint.js';
import { DialError, failureOf, reasonOf, RendezvousError } from '../errors.js';
import type { Identity, PeerId } from '../identity.js';
import { addressGone$ } from '../link/interfaces.js';
import { LinesOverSocket } from '../link/lines-over-socket.js';
import { endpointsOf } from '../link/tcp.js';
import { within } from '../operators/within.js';
import type { Runtime } from '../runtime.js';
import { show } from '../validate.js';
import {
  formatRequest,
  parseReply,
  proofOf,
  RENDEZVOUS_VERSION,
  REPLY_MAX_BYTES,
  type ListedNode,
  type Reply,
  type Request,
} from './messages.js';

/** A small message from another node. */
export interface RendezvousMessage {
  readonly from: PeerId;
  readonly message: Buffer;
  /** The address from which the server sees it come. */
  readonly seenAt: string;
}

/** What PyP2P's servers say to nodes that are to open TCP simultaneously. */
export type ChallengeReply = ReplyOf<'PREDICTION SET' | 'CHALLENGE' | 'FIGHT' | 'RECONNECT'>;

/** What nodes say to PyP2P's servers about it. */
export type ChallengeRequest = Extract<Request, { readonly verb: 'SIMULTANEOUS' | 'CANDIDATE' | 'ACCEPT' | 'CLEAR' }>;

/** PyP2P's part of the protocol by which two nodes agree to open TCP simultaneously. */
export interface ChallengeTalk {
  /** Fails when the session ends. */
  readonly reply$: Observable<ChallengeReply>;
  /** Does nothing once the session has ended. */
  readonly send: (request: ChallengeRequest) => void;
}

/** A live session with one rendezvous server. */
export interface RendezvousSession {
  readonly server: ServerAddress;
  /** Where the server is: what its name has led to. */
  readonly remote: Endpoint;
  /** Where the server sees this node; PyP2P's servers do not tell. */
  readonly observed: Endpoint | undefined;
  /** The port of the HTTP services on the same host, if it has them. */
  readonly httpPort: number | undefined;
  /** An id that the server has given itself, if it has: whoever is told the same is at the same server, whatever its name. */
  readonly serverId: string | undefined;
  /** To the server and back, in milliseconds, as its first answer has shown; PyP2P's servers are not asked for one. */
  readonly roundTripMs: number | undefined;
  /** Messages from other nodes. */
  readonly message$: Observable<RendezvousMessage>;
  /** Passes a message of at most 16 KiB to another node. Emits whether it was connected to this server, and completes. */
  send$(to: PeerId, message: Buffer): Observable<boolean>;
  /** Nodes that advertise themselves, at random: emits them once. */
  unls$(count: number): Observable<readonly ListedNode[]>;
  /** Lists this node for others for as long as the session lasts. */
  advertise(unl: string): void;
  /** Endpoints of PyP2P nodes, at random: emits them once. */
  nodes$(count: number): Observable<readonly Endpoint[]>;
  /** Lists this node for PyP2P nodes. */
  advertisePassive(port: number, maxInbound: number): void;
  /** For simultaneous opens with PyP2P nodes. */
  readonly challenges: ChallengeTalk;
}

/** What a session needs. */
export interface SessionConfig {
  readonly identity: Identity;
  readonly bind: string | undefined;
  /** `plain` speaks only PyP2P's verbs, so that PyP2P's own servers will do. */
  readonly security: 'tls' | 'plain';
  readonly runtime: Runtime;
  readonly timing: Timing;
}

/** A server that has not said anything for this long gets a PING; NATs are known to forget a quiet mapping in 60 s. */
const PING_MS = 20_000;

/** A server that has not answered a PING for this long is gone: far more than any round trip. */
const PONG_MS = 10_000;

/** What a server tells at the start of a session: nothing, if it is one of PyP2P's. */
type Welcome = Pick<RendezvousSession, 'observed' | 'httpPort' | 'serverId' | 'roundTripMs'>;

const NOTHING_TOLD: Welcome = {
  observed: undefined,
  httpPort: undefined,
  serverId: undefined,
  roundTripMs: undefined,
};

/** Refusals of one request; with any other the session is over. */
const OF_ONE_REQUEST = ['table-full', 'too-often'];

type ReplyOf<V extends Reply['verb']> = Extract<Reply, { readonly verb: V }>;

const CHALLENGE_VERBS: readonly Reply['verb'][] = ['PREDICTION SET', 'CHALLENGE', 'FIGHT', 'RECONNECT'];

/** The replies of a server, and the way to it. */
interface Talk {
  readonly server: ServerAddress;
  readonly remote: Endpoint;
  readonly config: SessionConfig;
  readonly reply$: Observable<Reply>;
  readonly only$: <V extends Reply['verb']>(verb: V) => Observable<ReplyOf<V>>;
  readonly send: (request: Request) => void;
}

/**
 * Opens a session: connects, proves the key, emits the session, and holds it until unsubscribed from.
 *
 * @throws DialError when the server cannot be reached; RendezvousError when it refuses, falls silent, says something
 * that is no reply, or goes away.
 *
 * @example
 * session$({ host: 'rv.example.org', port: 8000 }, config).subscribe(({ observed }) => console.log(observed));
 */
export function session$(server: ServerAddress, config: SessionConfig): Observable<RendezvousSession> {
  const { bind, runtime, timing } = config;
  return runtime.dial$({ ...server, localAddress: bind }).pipe(
    within(timing.dialMs, () => errorOf(server, `cannot be reached within ${timing.dialMs} ms`), runtime.scheduler),
    catchError((cause: unknown) => {
      if (!(cause instanceof DialError)) throw cause;
      throw new DialError(nameOf(server) + failureOf(cause, 'rendezvous server'), { cause });
    }),
    switchMap((socket) => {
      const { local, remote } = endpointsOf(socket);
      const lines = new LinesOverSocket(socket, REPLY_MAX_BYTES);
      const talk = talkOver(lines, server, remote, config);
      const begun$: Observable<Welcome> = config.security === 'plain' ? of(NOTHING_TOLD) : prove$(talk);
      return merge(
        begun$.pipe(
          within(
            timing.handshakeMs,
            () => errorOf(server, 'accepted the connection and then said nothing'),
            runtime.scheduler,
          ),
          map((welcome) => sessionOf(talk, welcome)),
        ),
        config.security === 'plain' ? NEVER : keepAlive$(talk),
        addressGone$(local.address, timing.networkMs, runtime.scheduler).pipe(
          map(() => {
            throw errorOf(server, `was reached from ${local.address}, which this machine has no more`);
          }),
        ),
        talk.reply$.pipe(ignoreElements()),
      ).pipe(
        finalize(() => {
          lines.destroy();
        }),
      );
    }),
  );
}

function talkOver(lines: LinesOverSocket, server: ServerAddress, remote: Endpoint, config: SessionConfig): Talk {
  let isKnown = false;
  const reply$ = lines.line$.pipe(
    catchError((why: unknown) => {
      throw errorOf(server, `went away: ${reasonOf(why)}`);
    }),
    map((line): Reply => {
      const reply = parseReply(line);
      if (reply === undefined) {
        const is = isKnown ? '' : 'answers, but is no rendezvous server: it ';
        throw errorOf(server, `${is}said ${show(line)}, which is no reply`);
      }
      isKnown = true;
      // That one request was refused is no reason to do without the session.
      if (reply.verb === 'REFUSED' && !OF_ONE_REQUEST.includes(reply.code))
        throw errorOf(server, `refused: ${reply.words || reply.code}`, reply.code);
      return reply;
    }),
    share(),
  );
  return {
    server,
    remote,
    config,
    reply$,
    only$: (verb) => reply$.pipe(filter((reply): reply is ReplyOf<typeof verb> => reply.verb === verb)),
    send: (request) => {
      lines.send(formatRequest(request));
    },
  };
}

/** Says who we are and proves it. Emits what the server tells of us and of itself. */
function prove$({ server, remote, only$, send, config: { identity, runtime } }: Talk): Observable<Welcome> {
  return defer(() => {
    const start = runtime.scheduler.now();
    send({ verb: 'HELLO', version: RENDEZVOUS_VERSION });
    return only$('NONCE').pipe(
      take(1),
      switchMap(({ nonce, observed }) => {
        const roundTripMs = runtime.scheduler.now() - start;
        const { peerId } = identity;
        const dialled = { server: formatServer(server).toLowerCase(), at: remote };
        send({ verb: 'PROVE', peerId, ...dialled, signature: identity.sign(proofOf(nonce, peerId, dialled)) });
        return only$('WELCOME').pipe(
          take(1),
          map(({ httpPort, serverId }) => ({ observed, httpPort, serverId, roundTripMs })),
        );
      }),
    );
  });
}

/** Asks a silent server for a sign of life, and fails when it gives none. */
function keepAlive$({ server, config, reply$, send }: Talk): Observable<never> {
  const { scheduler } = config.runtime;
  return reply$.pipe(
    startWith(undefined),
    switchMap(() => timer(PING_MS, scheduler)),
    switchMap(() => {
      send({ verb: 'PING' });
      return timer(PONG_MS, scheduler).pipe(takeUntil(reply$));
    }),
    map(() => {
      throw errorOf(server, `has said nothing for ${PING_MS + PONG_MS} ms`);
    }),
  );
}

function sessionOf(
  { server, remote, config: { runtime }, reply$, only$, send }: Talk,
  welcome: Welcome,
): RendezvousSession {
  return {
    server,
    remote,
    ...welcome,
    message$: only$('MESSAGE'),
    send$: (to, message) =>
      defer(() => {
        const id = runtime.newId();
        const answer$ = merge(only$('SENT'), only$('ABSENT')).pipe(
          filter((answer) => answer.id === id),
          take(1),
          map(({ verb }) => verb === 'SENT'),
        );
        return ask$(answer$, () => {
          send({ verb: 'SEND', id, to, message });
        });
      }),
    unls$: (count) =>
      defer(() => {
        const id = runtime.newId();
        const answer$ = only$('LISTED').pipe(
          filter((answer) => answer.id === id),
          take(1),
          map(({ nodes }) => nodes),
        );
        return ask$(answer$, () => {
          send({ verb: 'UNLS', id, count });
        });
      }),
    advertise: (unl) => {
      send({ verb: 'ADVERTISE', unl });
    },
    nodes$: (count) =>
      ask$(
        only$('NODES').pipe(
          take(1),
          map(({ nodes }) => nodes),
        ),
        () => {
          send({ verb: 'BOOTSTRAP', count });
        },
      ),
    advertisePassive: (port, maxInbound) => {
      send({ verb: 'PASSIVE', port, maxInbound });
    },
    challenges: {
      reply$: reply$.pipe(filter((reply): reply is ChallengeReply => CHALLENGE_VERBS.includes(reply.verb))),
      send,
    },
  };
}

/** Listens for an answer, then asks. */
function ask$<T>(answer$: Observable<T>, ask: () => void): Observable<T> {
  return merge(
    answer$,
    defer(() => (ask(), EMPTY)),
  );
}

/** What a server did, as an error. */
export function errorOf(server: ServerAddress, words: string, refusal?: string): RendezvousError {
  return new RendezvousError(nameOf(server) + words, refusal);
}

/** How each sentence about a server begins. */
export function nameOf(server: ServerAddress): string {
  return `The rendezvous server ${formatServer(server)} `;
}
