import {
  auditTime,
  catchError,
  defer,
  filter,
  finalize,
  ignoreElements,
  interval,
  map,
  merge,
  of,
  share,
  startWith,
  switchMap,
  take,
  tap,
  Observable,
  type Subscriber,
} from 'rxjs';
import { familyOf, serverOf, type Endpoint } from '../../endpoint.js';
import { HttpError, ProtocolError, reasonOf } from '../../errors.js';
import type { Identity, PeerId } from '../../identity.js';
import { keepAlive$ } from '../../link/keep-alive.js';
import { LinesOverSocket } from '../../link/lines-over-socket.js';
import { endpointsOf } from '../../link/tcp.js';
import { upgrade$ } from '../../link/upgrade.js';
import { within } from '../../operators/within.js';
import type { Runtime } from '../../runtime.js';
import type { ClockReading } from '../../server-clock.js';
import { show } from '../../validate.js';
import {
  formatSessionRequest,
  parseSessionReply,
  SESSION_LINE_BYTES,
  SESSION_PROTOCOL,
  sessionProofOf,
  sessionUrl,
  type SessionReply,
  type SessionRequest,
} from './mailbox-lines.js';
import { MAX_RECEIPTS, type RefusalCode, type TakenMessage } from './mailbox-messages.js';
import { HELD_MS, type Receipts } from './mailbox-receipts.js';

/** What a session with a mailbox server needs. */
export interface SessionConfig {
  readonly identity: Identity;
  /** The local address to leave from. By default the system chooses. */
  readonly localAddress?: string | undefined;
  /** The family of the server's address to use, where its name has addresses of both. */
  readonly family?: 4 | 6 | undefined;
  /** How long the server has to begin, in milliseconds. */
  readonly withinMs: number;
  readonly runtime: Pick<Runtime, 'dial$' | 'webTls$' | 'scheduler' | 'timeOfDay'>;
  /** Is told what the server's time says of this machine's clock. */
  readonly readClock: (reading: ClockReading) => void;
}

/** A message for the mailbox. */
export interface Put {
  readonly to: PeerId;
  readonly id: string;
  readonly keepMs: number;
  /** Bytes in base64url. */
  readonly message: string;
}

/** A session with a mailbox server: a connection on which this node has proven its key. */
export interface MailboxSession {
  /** The family of the server's address. */
  readonly family: 4 | 6;
  /**
   * Puts a message there. Emits whether its receiver is there, and completes.
   *
   * @throws DeclinedError when the server does not keep it; HttpError when the session ends before.
   */
  put$(message: Put): Observable<boolean>;
  /** Takes what is there and what comes, until the session ends: at first nothing. Tells the server what has been dealt with. */
  messages$(receipts: Receipts): Observable<readonly TakenMessage[]>;
  /** Ends the session: it does not answer any more. */
  drop(): void;
}

/** A server that does not keep one message. */
export class DeclinedError extends HttpError {
  constructor(
    server: URL,
    readonly refusal: RefusalCode,
    readonly words: string,
  ) {
    super(`${server.origin} refused: ${words || refusal}`);
  }
}

/** A server that ends the session, and says why. */
export class SessionRefusedError extends HttpError {
  constructor(
    server: URL,
    readonly refusal: string,
    readonly words: string,
  ) {
    super(`${server.origin} refused: ${words || refusal}`);
  }
}

/** Messages that were dealt with within this time, in milliseconds, are acknowledged together, and as many as this at once. */
const TOGETHER = { ms: 25, most: MAX_RECEIPTS / 2 };

/**
 * Opens a session with a mailbox server. Emits it as soon as the proof of this node's key is on its way, and holds it until
 * unsubscribed from.
 *
 * @param server the server's URL, `http:` or `https:`.
 * @throws DialError when the server cannot be reached; NotUpgradedError when it has no sessions; SessionRefusedError when it refuses;
 * TimeoutError when it does not begin in time; HttpError when the session ends.
 *
 * @example
 * const config = { identity, withinMs: 5_000, runtime, readClock: () => undefined };
 * const put = { to, id: 'one', keepMs: 60_000, message: bytes.toString('base64url') };
 * mailboxSession$(url, config).pipe(switchMap((session) => session.put$(put)));
 */
export function mailboxSession$(server: URL, config: SessionConfig): Observable<MailboxSession> {
  const { withinMs, runtime } = config;
  return lines$(server, config).pipe(
    switchMap((connected) => sessionOver$(connected, server, config)),
    within(withinMs, `${server.origin} did not answer`, runtime.scheduler),
  );
}

/** Lines to a server, and the address and port to which they lead. */
interface Connected {
  readonly lines: Pick<LinesOverSocket, 'line$' | 'send' | 'destroy'>;
  readonly at: Endpoint;
}

/** A session over lines on which nothing was said: like {@link mailboxSession$}. */
export function sessionOver$(
  { lines, at }: Connected,
  server: URL,
  {
    identity,
    runtime: { scheduler, timeOfDay },
    readClock,
  }: Pick<SessionConfig, 'identity' | 'readClock'> & {
    readonly runtime: Pick<Runtime, 'scheduler' | 'timeOfDay'>;
  },
): Observable<MailboxSession> {
  return defer(() => {
    // Of messages that were put, by their ids.
    const answers = new Map<string, Subscriber<boolean>>();
    let asked = scheduler.now();
    const readTime = (now: number) => {
      const uncertainMs = (scheduler.now() - asked) / 2;
      readClock({ aheadMs: timeOfDay() - uncertainMs - now, uncertainMs });
    };
    const reply$ = lines.line$.pipe(
      catchError((cause: unknown) => {
        throw new HttpError(`${server.origin} went away: ${reasonOf(cause)}`, { cause });
      }),
      map((line) => readReply(server, line)),
      share(),
    );
    const say = (request: SessionRequest) => {
      lines.send(formatSessionRequest(request));
    };
    const drop = () => {
      lines.destroy();
    };
    const begun$ = reply$.pipe(
      filter((reply) => reply.verb === 'NONCE'),
      take(1),
      map(({ nonce, now }) => {
        readTime(now);
        const { peerId } = identity;
        const dialled = { server: server.host.toLowerCase(), at };
        say({ verb: 'PROVE', peerId, ...dialled, signature: identity.sign(sessionProofOf(nonce, peerId, dialled)) });
        return sessionOf({ family: familyOf(at.address), answers, reply$, say, drop, scheduler });
      }),
    );
    const ask = () => {
      asked = scheduler.now();
      say({ verb: 'PING' });
    };
    const heard$ = reply$.pipe(
      tap((reply) => {
        // A clock may be set meanwhile.
        if (reply.verb === 'PONG') readTime(reply.now);
        else if ('id' in reply) answer(answers.get(reply.id), reply, server);
      }),
      ignoreElements(),
    );
    const failAll = (error: unknown) => {
      for (const waiting of answers.values()) waiting.error(error);
    };
    const errorOf = (words: string) => new HttpError(`${server.origin} ${words}`);
    return merge(begun$, keepAlive$(reply$, ask, errorOf, scheduler), heard$).pipe(
      tap({ error: failAll }),
      finalize(() => {
        drop();
        failAll(errorOf('was left'));
      }),
    );
  });
}

/** Tells whoever has put a message what has become of it. */
function answer(
  waiting: Subscriber<boolean> | undefined,
  reply: Extract<SessionReply, { readonly id: string }>,
  server: URL,
): void {
  if (reply.verb === 'DECLINED') waiting?.error(new DeclinedError(server, reply.code, reply.words));
  else waiting?.next(reply.verb === 'DELIVERED');
  waiting?.complete();
}

function lines$(
  server: URL,
  { localAddress, family, runtime: { dial$, webTls$ } }: SessionConfig,
): Observable<Connected> {
  return defer(() => {
    const url = sessionUrl(server);
    const { host, port } = serverOf(url);
    return dial$({ host, port, localAddress, family }).pipe(
      switchMap((socket) => {
        const { remote: at } = endpointsOf(socket);
        const stream$ = url.protocol === 'https:' ? webTls$(socket, host) : of(socket);
        return stream$.pipe(
          switchMap((stream) =>
            upgrade$(stream, { url, protocol: SESSION_PROTOCOL, called: 'mailbox', maxAnswer: SESSION_LINE_BYTES }),
          ),
          map((upgraded) => ({ lines: new LinesOverSocket(upgraded, SESSION_LINE_BYTES), at })),
        );
      }),
    );
  });
}

function readReply(server: URL, line: string): SessionReply {
  const reply = parseSessionReply(line);
  if (reply === undefined)
    throw new ProtocolError(`${server.origin} said ${show(line)}, which is no reply of a mailbox`);
  if (reply.verb === 'REFUSED') throw new SessionRefusedError(server, reply.code, reply.words);
  return reply;
}

interface Talk {
  readonly answers: Map<string, Subscriber<boolean>>;
  readonly family: 4 | 6;
  readonly reply$: Observable<SessionReply>;
  readonly say: (request: SessionRequest) => void;
  readonly drop: () => void;
  readonly scheduler: Runtime['scheduler'];
}

function sessionOf({ answers, family, reply$, say, drop, scheduler }: Talk): MailboxSession {
  return {
    family,
    drop,
    put$: (message) =>
      new Observable((subscriber) => {
        answers.set(message.id, subscriber);
        say({ verb: 'PUT', ...message });
        return () => answers.delete(message.id);
      }),
    messages$: (receipts) =>
      defer(() => {
        const tellDone = () => {
          for (let done = receipts.done(); done.length > 0; done = receipts.done()) {
            say({ verb: 'ACK', receipts: done });
            // If the server does not hear of it, it brings the message again, which is dropped then as a copy.
            receipts.forget(done);
          }
        };
        const take$ = interval(HELD_MS, scheduler).pipe(
          filter(() => receipts.giveUp()),
          startWith(undefined),
          tap(() => {
            // What was dealt with meanwhile shall not come again, and can be acknowledged once it is named.
            say({ verb: 'TAKE', holding: [...receipts.holding(), ...receipts.done()].slice(0, MAX_RECEIPTS) });
            tellDone();
          }),
        );
        return merge(
          of([]),
          reply$.pipe(
            filter((reply) => reply.verb === 'MESSAGE'),
            map((message) => [message]),
          ),
          merge(
            receipts.changed$.pipe(auditTime(TOGETHER.ms, scheduler)),
            // The server brings no more before half of what it may bring was acknowledged.
            receipts.changed$.pipe(filter(() => receipts.countDone >= TOGETHER.most)),
          ).pipe(tap(tellDone), ignoreElements()),
          take$.pipe(ignoreElements()),
        );
      }),
  };
}
