import {
  catchError,
  defer,
  filter,
  finalize,
  ignoreElements,
  map,
  merge,
  share,
  switchMap,
  take,
  type Observable,
} from 'rxjs';
import type { Timing } from '../config.js';
import type { Endpoint } from '../endpoint.js';
import { DialError, failureOf, reasonOf, type RendezvousError } from '../errors.js';
import type { Identity, PeerId } from '../identity.js';
import { addressGone$ } from '../link/interfaces.js';
import type { NetworkLook } from '../link/network-looks.js';
import { within } from '../operators/within.js';
import type { RendezvousAddress } from '../rendezvous-name.js';
import type { Runtime } from '../runtime.js';
import type { Unl } from '../unl/types.js';
import { show } from '../validate.js';
import { ask$ } from './ask.js';
import type { Dialect, ListedUnl, ReplyOf, Talk, Topics, Welcome } from './dialect.js';
import { errorOf, nameOf, REPLACED, ReplacedError } from './errors.js';
import { formatRequest, parseReplaced, parseReply } from './messages.js';
import { openLines$ } from './open-lines.js';
import type { ServerLines } from './server-lines.js';

/** A small message from another node. */
export interface RendezvousMessage {
  readonly from: PeerId;
  readonly message: Buffer;
  /** The address from which the server sees it come. */
  readonly seenAt: string;
}

/** A live session with one rendezvous server. */
export interface RendezvousSession extends Welcome {
  readonly server: RendezvousAddress;
  /** Where the server is: what its name has led to. */
  readonly remote: Endpoint;
  /** Messages from other nodes. */
  readonly message$: Observable<RendezvousMessage>;
  /** Passes a message of at most 16 KiB to another node. Emits whether it was connected to this server, and completes. */
  send$(to: PeerId, message: Buffer): Observable<boolean>;
  /** Nodes that advertise themselves, at random: emits them once. */
  nodes$(count: number): Observable<readonly ListedUnl[]>;
  /** Lists this node for others for as long as the session lasts, and how many connections it takes. */
  advertise(own: Unl, maxInbound: number): void;
  /** Nodes that meet under a topic, where nodes prove their keys. */
  readonly topics?: Topics | undefined;
  /** Every line that the server says, for what the dialect has besides. Fails when the session ends. */
  readonly line$: Observable<string>;
  /** Says a line of that to the server. Does nothing once the session has ended. */
  say(line: string): void;
}

/** What a session needs. */
export interface SessionConfig {
  readonly identity: Identity;
  readonly bind: string | undefined;
  /** How the server is spoken to. */
  readonly dialect: Dialect;
  readonly runtime: Runtime;
  readonly timing: Timing;
  /** Emits whenever this machine's network has been looked at. */
  readonly network$: Observable<NetworkLook>;
}

/** Refusals of one request; with any other the session is over. */
const OF_ONE_REQUEST = ['table-full', 'too-often', 'unseen', 'store-unavailable'];

/**
 * Opens a session: connects, begins as the dialect has it, emits the session, and holds it until unsubscribed from.
 *
 * @throws DialError when the server cannot be reached; RendezvousError when it does not prove who it is, refuses, falls silent, says something
 * that is no reply, or goes away.
 *
 * @example
 * session$({ host: 'rv.example.org', port: 8000 }, config).subscribe(({ observed }) => console.log(observed));
 */
export function session$(server: RendezvousAddress, config: SessionConfig): Observable<RendezvousSession> {
  const { bind, dialect, runtime, timing, network$ } = config;
  return runtime.dial$({ ...server, localAddress: bind }).pipe(
    within(timing.dialMs, () => errorOf(server, `cannot be reached within ${timing.dialMs} ms`), runtime.scheduler),
    catchError((cause: unknown) => {
      if (!(cause instanceof DialError)) throw cause;
      throw new DialError(nameOf(server) + failureOf(cause, 'rendezvous server'), { cause });
    }),
    switchMap((socket) => openLines$(server, socket, config)),
    switchMap(({ lines, local, remote }) => {
      const talk = talkOver(lines, server, remote, config);
      return merge(
        dialect.begin$(talk).pipe(
          within(
            timing.handshakeMs,
            () => errorOf(server, 'accepted the connection and then said nothing'),
            runtime.scheduler,
          ),
          map((welcome) => sessionOf(talk, dialect, welcome)),
        ),
        dialect.keepAlive$(talk),
        addressGone$(local.address, network$).pipe(
          map(() => {
            throw errorOf(server, `was reached from ${local.address}, which this machine has no more`);
          }),
        ),
        talk.line$.pipe(ignoreElements()),
      ).pipe(
        finalize(() => {
          lines.destroy();
        }),
      );
    }),
  );
}

function talkOver(
  lines: ServerLines,
  server: RendezvousAddress,
  remote: Endpoint,
  { dialect, identity, runtime }: SessionConfig,
): Talk {
  let isKnown = false;
  const said$ = lines.line$.pipe(
    catchError((why: unknown) => {
      throw errorOf(server, `went away: ${reasonOf(why)}`);
    }),
    map((line) => {
      const reply = parseReply(line);
      if (reply === undefined && !dialect.isReply(line)) {
        const is = isKnown ? '' : 'answers, but is no rendezvous server: it ';
        throw errorOf(server, `${is}said ${show(line)}, which is no reply`);
      }
      isKnown = true;
      // That one request was refused is no reason to do without the session.
      if (reply?.verb === 'REFUSED' && !OF_ONE_REQUEST.includes(reply.code)) throw refusalOf(server, reply);
      return { line, reply };
    }),
    share(),
  );
  const reply$ = said$.pipe(
    map(({ reply }) => reply),
    filter((reply) => reply !== undefined),
  );
  const say = (line: string) => {
    lines.send(line);
  };
  return {
    server,
    remote,
    identity,
    runtime,
    line$: said$.pipe(map(({ line }) => line)),
    say,
    reply$,
    only$: (verb) => reply$.pipe(filter((reply): reply is ReplyOf<typeof verb> => reply.verb === verb)),
    send: (request) => {
      say(formatRequest(request));
    },
  };
}

function refusalOf(server: RendezvousAddress, { code, words }: ReplyOf<'REFUSED'>): RendezvousError {
  if (code !== REPLACED) return errorOf(server, `refused: ${words || code}`, code);
  const replaced = parseReplaced(words);
  return new ReplacedError(`${nameOf(server)}refused: ${replaced.words}`, replaced.by);
}

function sessionOf(talk: Talk, dialect: Dialect, welcome: Welcome): RendezvousSession {
  const { server, remote, runtime, line$, say, only$, send } = talk;
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
    nodes$: (count) => dialect.nodes$(talk, count),
    advertise: (own, maxInbound) => {
      dialect.advertise(talk, own, maxInbound);
    },
    topics: dialect.topics?.(talk),
    line$,
    say,
  };
}
