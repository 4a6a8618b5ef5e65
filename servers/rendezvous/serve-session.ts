import type { Socket } from 'node:net';
import { noop, Observable } from 'rxjs';
import { tokenBucket } from '../../lib/bounds/rate-limit.js';
import { siteOf } from '../../lib/bounds/site.js';
import { LineTooLongError } from '../../lib/errors.js';
import { parsePyp2pRequest } from '../../lib/pyp2p/wire/rendezvous-messages.js';
import { parseRequest } from '../../lib/rendezvous/messages.js';
import type { Runtime } from '../../lib/runtime.js';
import type { Caller } from '../callers/caller.js';
import type { Store } from '../store/store.js';
import type { Unread } from '../unread.js';
import type { Watch } from '../watch.js';
import { SocketLines } from './client-lines.js';
import { isIntended } from './intended-server.js';
import { IdleTimer } from './idle-timer.js';
import type { RendezvousServerLimits } from './limits.js';
import type { Forwarding } from './forwarding.js';
import { handlePeerRequest } from './peers.js';
import { handlePyp2pRequest } from './pyp2p.js';
import { ServerSession } from './session.js';

/** What a session is part of. */
interface ServerSessionConfig {
  readonly store: Store;
  readonly limits: RendezvousServerLimits;
  readonly runtime: Runtime;
  /** The port of the HTTP services on this host, which sessions are told. */
  readonly httpPort: number | undefined;
  /** The id that the server has given itself. */
  readonly serverId: string;
  readonly forwarding: Forwarding;
  /** The names by which clients know the server; none when it has not been told any. */
  readonly names: ReadonlySet<string>;
  /** Emits when the client is refused or evicted. */
  readonly turnedAway$: Observable<void>;
  /** Drops clients that do not read. */
  readonly unread: Unread;
  readonly watch: Watch;
}

/**
 * Answers one client, line by line, until its connection is gone. Never emits, never fails: what a client does concerns nobody else.
 * Unsubscribing drops it.
 */
export function serveSession$(
  socket: Socket,
  caller: Caller,
  { limits, names, turnedAway$, unread, ...shared }: ServerSessionConfig,
): Observable<never> {
  return new Observable((subscriber) => {
    const { scheduler } = shared.runtime;
    const lines = new SocketLines(socket, scheduler);
    const mayGoOn = tokenBucket({
      perSecond: limits.linesPerSecond,
      burst: limits.lineBurst,
      now: () => scheduler.now(),
    });
    const session = new ServerSession(lines, caller, {
      ...shared,
      mayGoOn,
      look: unread.watch({ socket, site: siteOf(caller.address), waiting: () => lines.waiting }),
      isIntended: (dialled) => isIntended(dialled, caller, names),
    });
    const idle = new IdleTimer(scheduler, () => {
      session.refuse('idle', 'nothing was said for too long');
    });
    let isOver = false;
    const putOff = () => {
      if (!isOver) idle.putOff(session.isListed ? limits.listedIdleMs : limits.idleMs);
    };
    putOff();
    lines.start({
      line(text) {
        putOff();
        if (!mayGoOn()) {
          session.refuse('too-many-lines', `more than ${limits.linesPerSecond} lines a second`);
          return undefined;
        }
        return (
          answer(text, session)
            // The node may be listed now, and a PyP2P node that waits for candidates sends nothing more.
            ?.then(putOff)
            .catch(() => {
              // The store has failed; the client will try again, here or elsewhere.
              session.refuse('closing', 'this server cannot answer now');
              subscriber.complete();
            })
        );
      },
      fault(error) {
        session.refuse(error instanceof LineTooLongError ? 'line-too-long' : 'malformed', error.message);
      },
      over() {
        isOver = true;
        idle.stop();
        session.end();
      },
      gone() {
        subscriber.complete();
      },
    });
    subscriber.add(
      turnedAway$.subscribe({
        next: () => {
          session.refuse('too-many-connections', 'too many connections to this server, or from this address');
        },
        error: noop,
      }),
    );
    return () => {
      lines.drop();
    };
  });
}

/** Answers a line in whichever of the two protocols it is. PyP2P's servers say nothing to what they do not understand. */
function answer(line: string, session: ServerSession): Promise<void> | undefined {
  const request = parseRequest(line);
  if (request !== undefined) return handlePeerRequest(request, session);
  const pyp2pRequest = parsePyp2pRequest(line);
  return pyp2pRequest && handlePyp2pRequest(pyp2pRequest, session);
}
