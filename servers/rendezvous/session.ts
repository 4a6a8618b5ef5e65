import type { Socket } from 'node:net';
import {
  catchError,
  defer,
  EMPTY,
  endWith,
  finalize,
  from,
  ignoreElements,
  merge,
  noop,
  startWith,
  Subject,
  Subscription,
  switchMap,
  takeUntil,
  tap,
  timer,
  type Observable,
} from 'rxjs';
import { siteOf } from '../../lib/bounds/site.js';
import { DEFAULT_LIMITS, DEFAULT_TIMING } from '../../lib/config.js';
import type { PeerConnection } from '../../lib/connection/peer-connection.js';
import { plainConnection, plainLink } from '../../lib/connection/plain-connection.js';
import type { Endpoint } from '../../lib/endpoint.js';
import {
  formatReply,
  parseRequest,
  type Dialled,
  REPLY_MAX_BYTES,
  REQUEST_MAX_BYTES,
  type RefusalCode,
  type Reply,
  type Request,
} from '../../lib/rendezvous/messages.js';
import type { Runtime } from '../../lib/runtime.js';
import { tokenBucket } from '../../lib/bounds/rate-limit.js';
import type { RendezvousServerLimits } from '../rendezvous.js';
import type { Store } from '../store/store.js';
import type { Unread } from '../unread.js';
import { isMeant } from './dialled.js';
import { handlePeerRequest, isPeerRequest } from './peers.js';
import type { PassingOn } from './passing-on.js';
import { handlePyp2pRequest } from './pyp2p.js';

/** What a session is part of. */
export interface ServerSessionConfig {
  readonly store: Store;
  readonly limits: RendezvousServerLimits;
  readonly runtime: Runtime;
  /** The port of the HTTP services on this host, which sessions are told. */
  readonly httpPort: number | undefined;
  /** The id that the server has given itself. */
  readonly serverId: string;
  readonly passingOn: PassingOn;
  /** The names by which clients know the server; none when it has not been told any. */
  readonly names: ReadonlySet<string>;
  /** Emits when the server has no room for it, or has none any more. */
  readonly turnedAway$: Observable<void>;
  /** Drops clients that do not read. */
  readonly unread: Unread;
}

/** What bounds the work of one session. */
interface SessionBounds {
  readonly passingOn: PassingOn;
  /** Whether the client may say so many lines. */
  readonly mayGoOn: (lines: number) => boolean;
  /** Is called when something was written. */
  readonly look: () => void;
}

/** So many bytes of a long reply count as a line: a list of 100 nodes, of 50 KiB, costs as much as fifty lines. */
const BYTES_OF_LINE = 1_024;

/** One connection to a client, as the handlers of its requests see it. What they remember of it dies with it. */
export class ServerSession {
  /** The challenge that was given out. */
  nonce: string | undefined;
  /** The key that was proven. */
  peerId: string | undefined;
  /** A newer session with the same key took over. */
  isReplaced = false;
  /** Waits for challenges, and has nothing to say until one comes. */
  isListed = false;
  /** The nodes whose answers it waits for, by the channels on which they come. */
  readonly asked = new Map<string, Subscription>();

  readonly #connection: PeerConnection;
  readonly #bounds: SessionBounds;
  readonly #isMeant: (dialled: Dialled) => boolean;
  readonly #atEnd = new Subscription();

  constructor(
    connection: PeerConnection,
    readonly remote: Endpoint,
    readonly store: Store,
    readonly runtime: Runtime,
    readonly httpPort: number | undefined,
    readonly serverId: string,
    bounds: SessionBounds,
    isMeant: (dialled: Dialled) => boolean,
  ) {
    this.#connection = connection;
    this.#isMeant = isMeant;
    this.#bounds = bounds;
    this.#atEnd.add(
      connection.closed$.subscribe({
        complete: () => {
          this.#atEnd.unsubscribe();
        },
        error: noop,
      }),
    );
  }

  /** Whether the client meant this server when it dialled. */
  isMeant(dialled: Dialled): boolean {
    return this.#isMeant(dialled);
  }

  get passingOn(): PassingOn {
    return this.#bounds.passingOn;
  }

  /** The time, in milliseconds since the epoch. */
  now(): number {
    return this.runtime.scheduler.now();
  }

  reply(reply: Reply): void {
    this.say(formatReply(reply));
  }

  /** Says a line, such as one that another session has written, as it is. */
  say(line: string): void {
    this.#connection.send(line);
    this.#bounds.look();
  }

  /**
   * Whether so many lines may be said because of what this client has said: they count as if it, and its site, had said as many. Tells
   * the client when they may not.
   */
  mayCause(lines: number): boolean {
    if (lines === 0) return true;
    const may = this.#cause(lines);
    if (!may) this.decline('too-often', 'too much was said for this client, or for its address: try again later');
    return may;
  }

  /**
   * Says a reply that may be far longer than its request. Each piece of {@link BYTES_OF_LINE} counts as if the client had said a line.
   * Where it may not cause any, it is told so, and the reply is not made.
   */
  async replyAtLength(make: () => Promise<Reply>): Promise<void> {
    if (!this.mayCause(1)) return;
    const text = formatReply(await make());
    const more = Math.ceil(Buffer.byteLength(text) / BYTES_OF_LINE) - 1;
    // It is said all the same: what there is too little for now is paid before the next.
    if (more > 0) this.#cause(more);
    this.say(text);
  }

  #cause(lines: number): boolean {
    return this.#bounds.mayGoOn(lines) && this.passingOn.mayPassOn(siteOf(this.remote.address), lines);
  }

  /** Says why one request is refused; the session goes on. */
  decline(code: RefusalCode, words: string): void {
    this.reply({ verb: 'REFUSED', code, words });
  }

  /** Says why, and closes. */
  refuse(code: RefusalCode, words: string): void {
    this.decline(code, words);
    this.close();
  }

  /** Lets the client go; what was said before still arrives, but a client that does not hang up, too, is not waited for. */
  close(): void {
    this.#connection.end({ code: 'refused', by: 'us', message: 'done' });
  }

  /** Does something for each message on a channel of the store, until unsubscribed from or the session is at its end. */
  listen(channel: string, next: (message: string) => void): Subscription {
    const listening = this.store.messages$(channel).subscribe({
      next,
      error: () => {
        this.close();
      },
    });
    this.#atEnd.add(listening);
    return listening;
  }

  /** Does something when the session is at its end. */
  atEnd(action: () => void): void {
    this.#atEnd.add(action);
  }

  /** The session is at its end. */
  end(): void {
    this.#atEnd.unsubscribe();
    this.#connection.destroy();
  }
}

/** Answers one client for as long as it stays. Never emits, never fails: what a client does concerns nobody else. */
export function serverSession$(
  socket: Socket,
  { store, limits, runtime, httpPort, serverId, passingOn, names, turnedAway$, unread }: ServerSessionConfig,
): Observable<never> {
  return defer(() => {
    const now = () => runtime.scheduler.now();
    const link = plainLink(socket, 'direct');
    const connection = plainConnection(
      link,
      { direction: 'inbound', nonce: false },
      {
        runtime,
        timing: DEFAULT_TIMING,
        limits: { ...DEFAULT_LIMITS, lineBytes: REQUEST_MAX_BYTES, sendMaxBytes: limits.unreadBytes },
        sendLineBytes: REPLY_MAX_BYTES,
        farewell: ({ message }) => formatReply({ verb: 'REFUSED', code: 'line-too-long', words: message }),
      },
    );
    const { remote } = link;
    const look = unread.watch({ socket, site: siteOf(remote.address), waiting: () => connection.buffered });
    const mayGoOn = tokenBucket({ perSecond: limits.linesPerSecond, burst: limits.lineBurst, now });
    const bounds = { passingOn, mayGoOn, look };
    const meant = (dialled: Dialled) => isMeant(dialled, link, names);
    const session = new ServerSession(connection, remote, store, runtime, httpPort, serverId, bounds, meant);
    const heard = new Subject<void>();

    const answered$ = connection.eachLine$((line) => {
      heard.next();
      if (!mayGoOn()) {
        session.refuse('too-many-lines', `more than ${limits.linesPerSecond} lines a second`);
        return EMPTY;
      }
      const request = parseRequest(line);
      // PyP2P's servers say nothing to what they do not understand.
      return request === undefined ? EMPTY : from(handle(request, session));
    });
    const idle$ = heard.pipe(
      startWith(undefined),
      switchMap(() => timer(session.isListed ? limits.listedIdleMs : limits.idleMs, runtime.scheduler)),
      tap(() => {
        session.refuse('idle', 'nothing was said for too long');
      }),
    );
    const refused$ = turnedAway$.pipe(
      tap(() => {
        session.refuse('too-many-connections', 'too many connections to this server, or from this address');
      }),
    );
    return merge(refused$, answered$, idle$).pipe(
      catchError(() => {
        // The store is out of order; the client will try again, here or elsewhere.
        session.refuse('closing', 'this server cannot answer now');
        return EMPTY;
      }),
      ignoreElements(),
      finalize(() => {
        session.end();
      }),
      takeUntil(connection.released$.pipe(endWith(undefined))),
    );
  });
}

function handle(request: Request, session: ServerSession): Promise<void> {
  return isPeerRequest(request) ? handlePeerRequest(request, session) : handlePyp2pRequest(request, session);
}
