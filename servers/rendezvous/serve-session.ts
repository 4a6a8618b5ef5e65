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
  startWith,
  Subject,
  switchMap,
  takeUntil,
  tap,
  timer,
  type Observable,
} from 'rxjs';
import { tokenBucket } from '../../lib/bounds/rate-limit.js';
import { siteOf } from '../../lib/bounds/site.js';
import { DEFAULT_LIMITS, DEFAULT_TIMING } from '../../lib/config.js';
import { plainConnection, plainLink } from '../../lib/connection/plain-connection.js';
import {
  formatReply,
  parseRequest,
  REPLY_MAX_BYTES,
  REQUEST_MAX_BYTES,
  type Dialled,
  type Request,
} from '../../lib/rendezvous/messages.js';
import type { Runtime } from '../../lib/runtime.js';
import type { Store } from '../store/store.js';
import type { Unread } from '../unread.js';
import { isMeant } from './dialled.js';
import type { RendezvousServerLimits } from './limits.js';
import type { PassingOn } from './passing-on.js';
import { handlePeerRequest } from './peers.js';
import { handlePyp2pRequest } from './pyp2p.js';
import { isPeerRequest } from './requests.js';
import { ServerSession } from './session.js';

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

/** Answers one client for as long as it stays. Never emits, never fails: what a client does concerns nobody else. */
export function serveSession$(
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
