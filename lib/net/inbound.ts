import type { Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import {
  catchError,
  defer,
  EMPTY,
  finalize,
  ignoreElements,
  map,
  mergeMap,
  switchMap,
  tap,
  type Observable,
} from 'rxjs';
import type { ResolvedConfig } from '../config.js';
import { plainConnection, plainLink } from '../connection/plain-connection.js';
import { siteOf } from '../bounds/site.js';
import { DialError, reasonOf } from '../errors.js';
import { SiteCounts } from '../bounds/site-counts.js';
import { Channel, framedWire } from '../link/channel.js';
import { readHello$ } from '../link/handshake.js';
import { endpointsOf } from '../link/tcp.js';
import { secure$ } from '../link/tls.js';
import { within } from '../operators/within.js';
import type { Runtime } from '../runtime.js';
import type { Trace } from '../trace.js';
import { takeWithNonce$, type Nonces } from './nonces.js';
import type { Peers } from './peers.js';

/** What takes in inbound sockets. */
export interface InboundConfig {
  readonly config: ResolvedConfig;
  readonly context: SecureContext;
  readonly peers: Peers;
  readonly runtime: Runtime;
  readonly trace: Trace;
  /** The connections that this node has asked for, on plain links in direct mode. */
  readonly nonces: Nonces;
}

/** So many of the sockets that have proven nothing yet may come from one IPv4 address or IPv6 /64, in parts of all. */
const SHARE_OF_ONE_HOST = 4;

/**
 * Takes in sockets that arrive: secures them, waits for the peer's hello, and hands them to the peers. Whatever one of
 * them does, the others go on. Never emits, never fails.
 */
export function receive$(socket$: Observable<Socket>, inbound: InboundConfig): Observable<never> {
  const { config, peers, trace } = inbound;
  const pending = new SiteCounts();

  const admit = (host: string): string | undefined => {
    const most = config.limits.pendingInbound;
    if (pending.total >= most) return 'too many others have not proven a key yet';
    if (pending.of(host) >= most / SHARE_OF_ONE_HOST) return 'too many from this address already';
    // Others are judged once it is known who they are, or by their nonce whether this node has asked for them.
    const tellsMore = config.security === 'tls' || config.mode === 'direct';
    return peers.hasInboundSlot || tellsMore ? undefined : 'all inbound slots are taken';
  };

  return socket$.pipe(
    mergeMap((socket) => {
      const { remote } = endpointsOf(socket);
      const host = siteOf(remote.address);
      const refusal = admit(host);
      if (refusal !== undefined) {
        trace({ type: 'inbound-failed', remote, reason: refusal });
        socket.destroy();
        return EMPTY;
      }
      return defer(() => {
        pending.add(host);
        return config.security === 'tls' ? receiveSecure$(socket, inbound) : receivePlain$(socket, inbound);
      }).pipe(
        catchError((error: unknown) => {
          trace({ type: 'inbound-failed', remote, reason: reasonOf(error) });
          return EMPTY;
        }),
        finalize(() => {
          pending.remove(host);
        }),
      );
    }),
    ignoreElements(),
  );
}

function receiveSecure$(socket: Socket, { config, context, peers, runtime }: InboundConfig): Observable<unknown> {
  const { handshakeMs } = config.timing;
  const { local, remote } = endpointsOf(socket);
  return secure$(socket, { context, role: 'server' }).pipe(
    within(handshakeMs, 'There was no TLS handshake', runtime.scheduler),
    map((secured) => new Channel({ ...secured, local, remote, technique: 'direct', direct: true }, framedWire())),
    switchMap((channel) =>
      readHello$(channel, handshakeMs, runtime.scheduler).pipe(
        tap((hello) => {
          peers.receive(channel, hello);
        }),
      ),
    ),
  );
}

/** In direct mode the side that has dialled sends a nonce first, by which this side knows what it has asked for. */
function receivePlain$(socket: Socket, { config, peers, runtime, nonces }: InboundConfig): Observable<unknown> {
  const add = () => {
    const start = { direction: 'inbound', nonce: false } as const;
    peers.add(plainConnection(plainLink(socket, 'direct'), start, { ...config, runtime }));
  };
  if (config.mode === 'p2p') {
    add();
    return EMPTY;
  }
  return takeWithNonce$(socket, {
    withinMs: config.timing.handshakeMs,
    late: 'There was no nonce',
    runtime,
    take: (nonce) => {
      if (nonces.take(nonce, socket)) return;
      if (!peers.hasInboundSlot) throw new DialError('all inbound slots are taken');
      add();
    },
  });
}
