import type { Socket } from 'node:net';
import { createSecureContext, type SecureContext } from 'node:tls';
import { catchError, defer, map, of, switchMap, type Observable } from 'rxjs';
import type { Endpoint } from '../endpoint.js';
import { PeerMismatchError, ProtocolError, reasonOf } from '../errors.js';
import { LinesOverSocket } from '../link/lines-over-socket.js';
import { endpointsOf } from '../link/tcp.js';
import { secure$ } from '../link/tls.js';
import type { Timing } from '../config.js';
import { within } from '../operators/within.js';
import type { RendezvousAddress } from '../rendezvous-name.js';
import type { Runtime } from '../runtime.js';
import { errorOf } from './errors.js';
import { webSocketLines$ } from './lines-over-web-socket.js';
import { LINES_ALPN, REPLY_MAX_BYTES } from './messages.js';
import type { ServerLines } from './server-lines.js';

/** Lines to a server, and where the two ends of the connection are. */
interface OpenLines {
  readonly lines: ServerLines;
  readonly local: Endpoint;
  readonly remote: Endpoint;
}

/** What it takes to have a connection carry lines. */
interface OpenConfig {
  readonly runtime: Pick<Runtime, 'webTls$' | 'scheduler'>;
  readonly timing: Pick<Timing, 'handshakeMs'>;
}

/**
 * Has a connection to a server carry lines, in the way that the server's name says and in no other: as it is, by TLS with a server that
 * proves its key, or by WebSocket. Emits them and completes. On any failure, and when unsubscribed from before, it closes the socket.
 *
 * @param socket the connection, of which nothing was read.
 * @throws RendezvousError when the server does not prove who it is, or speaks something else.
 */
export function openLines$(
  server: RendezvousAddress,
  socket: Socket,
  { runtime, timing }: OpenConfig,
): Observable<OpenLines> {
  const ends = endpointsOf(socket);
  return linesOver$(server, socket, runtime).pipe(
    within(
      timing.handshakeMs,
      () => errorOf(server, 'accepted the connection and then said nothing'),
      runtime.scheduler,
    ),
    map((lines) => ({ lines, ...ends })),
  );
}

function linesOver$(
  server: RendezvousAddress,
  socket: Socket,
  { webTls$ }: OpenConfig['runtime'],
): Observable<ServerLines> {
  const { host, key: peerId, url } = server;
  if (url !== undefined) {
    const stream$ = url.startsWith('wss:') ? webTls$(socket, host) : of(socket);
    return stream$.pipe(
      switchMap((stream) => webSocketLines$(stream, url)),
      catchError((cause: unknown) => {
        throw errorOf(server, `cannot be spoken to by WebSocket: ${reasonOf(cause)}`);
      }),
    );
  }
  if (peerId === undefined) return of(new LinesOverSocket(socket, REPLY_MAX_BYTES));
  return defer(() => secure$(socket, { context: anonymous, role: 'client', peerId, protocol: LINES_ALPN })).pipe(
    map(({ stream }) => new LinesOverSocket(stream, REPLY_MAX_BYTES)),
    catchError((cause: unknown) => {
      if (cause instanceof PeerMismatchError) throw errorOf(server, 'proved another key: somebody else answers there');
      const words = cause instanceof ProtocolError ? 'did not prove its key' : 'broke off before it had proven its key';
      throw errorOf(server, `${words}: ${reasonOf(cause)}`);
    }),
  );
}

let context: SecureContext | undefined;

/** The TLS settings of a client that shows no certificate. It trusts no authority either: of a server's certificate only the key counts. */
function anonymous(): SecureContext {
  context ??= createSecureContext({ minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3', ca: [] });
  return context;
}
