import type { Socket } from 'node:net';
import { catchError, defer, EMPTY, ignoreElements, mergeMap, type Observable } from 'rxjs';
import type { ResolvedConfig } from '../config.js';
import { Admission, type NoRoom } from '../bounds/admission.js';
import { inRoom } from '../bounds/in-room.js';
import { siteOf } from '../bounds/site.js';
import { DialError, reasonOf } from '../errors.js';
import { endpointsOf } from '../link/tcp.js';
import type { PeerTrace } from './steps.js';
import type { Peers } from './peers.js';
import type { Security } from './security.js';

/** What taking in inbound sockets needs. */
interface InboundConfig {
  readonly config: ResolvedConfig;
  readonly security: Security;
  readonly peers: Peers;
  readonly trace: PeerTrace;
}

/** The share that one site may have of the sockets that have not proven a key yet. */
const PART_OF_ONE_SITE = 1 / 4;

const NO_ROOM: Record<NoRoom | 'gave-way', string> = {
  full: 'too many others have not proven a key yet',
  'site-full': 'too many from this address have not proven a key yet',
  'gave-way': 'it gave way to a newcomer: most of those that have not proven a key yet come from its address',
};

/**
 * Takes in sockets that arrive, and hands their links to the peers. An error on one does not affect the others. The number of sockets
 * that have not proven a key is limited, in total and for each site. Never emits, never fails.
 */
export function receive$(socket$: Observable<Socket>, inbound: InboundConfig): Observable<never> {
  const { config, peers, security, trace } = inbound;
  const { pendingInbound } = config.limits;
  const room = new Admission<() => void>({
    most: pendingInbound,
    mostOfSite: Math.ceil(pendingInbound * PART_OF_ONE_SITE),
  });

  return socket$.pipe(
    mergeMap((socket) => {
      const { remote } = endpointsOf(socket);
      let isBegun = false;
      return defer(() => {
        isBegun = true;
        return security.receive$(socket, peers);
      }).pipe(
        inRoom({ room, site: siteOf(remote.address), refusal: (why) => new DialError(NO_ROOM[why]) }),
        catchError((error: unknown) => {
          // Later the socket belongs to its TLS stream, which closes it. Destroying it in an event of that stream would crash the
          // process.
          if (!isBegun) socket.destroy();
          trace({ type: 'inbound-failed', remote, reason: reasonOf(error) });
          return EMPTY;
        }),
      );
    }),
    ignoreElements(),
  );
}
