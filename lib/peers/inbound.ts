import type { Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import { catchError, defer, EMPTY, ignoreElements, map, mergeMap, switchMap, tap, type Observable } from 'rxjs';
import type { ResolvedConfig } from '../config.js';
import { plainConnection, plainLink } from '../connection/plain-connection.js';
import { Admission, type NoRoom } from '../bounds/admission.js';
import { inRoom } from '../bounds/in-room.js';
import { siteOf } from '../bounds/site.js';
import { DialError, reasonOf } from '../errors.js';
import { FramedLink, framedWire } from '../link/framed-link.js';
import { readHello$ } from '../link/handshake.js';
import { endpointsOf } from '../link/tcp.js';
import { secure$ } from '../link/tls.js';
import { within } from '../operators/within.js';
import type { Runtime } from '../runtime.js';
import type { PeerTrace } from './steps.js';
import { takeWithNonce$, type Nonces } from './nonces.js';
import type { Peers } from './peers.js';

/** What takes in inbound sockets. */
interface InboundConfig {
  readonly config: ResolvedConfig;
  readonly context: SecureContext;
  readonly peers: Peers;
  readonly runtime: Runtime;
  readonly trace: PeerTrace;
  /** The connections that this node has asked for, on plain links in direct mode. */
  readonly nonces: Nonces;
}

/** One site may have a quarter of the sockets that have not proven a key yet. */
const PART_OF_ONE_SITE = 1 / 4;

const NO_ROOM: Record<NoRoom | 'gave-way', string> = {
  full: 'too many others have not proven a key yet',
  'site-full': 'too many from this address have not proven a key yet',
  'gave-way': 'it gave way to a newcomer: most of those that have not proven a key yet come from its address',
};

/**
 * Takes in sockets that arrive: secures them, waits for the peer's hello, and hands them to the peers. Whatever one of them does,
 * the others go on. Sockets that have not proven a key share a limit by sites. Never emits, never fails.
 */
export function receive$(socket$: Observable<Socket>, inbound: InboundConfig): Observable<never> {
  const { config, trace } = inbound;
  const { pendingInbound } = config.limits;
  const room = new Admission<() => void>({
    most: pendingInbound,
    mostOfSite: Math.ceil(pendingInbound * PART_OF_ONE_SITE),
  });
  const receiveOne$ = config.security === 'tls' ? receiveSecure$ : receivePlain$;

  return socket$.pipe(
    mergeMap((socket) => {
      const { remote } = endpointsOf(socket);
      let isBegun = false;
      return defer(() => {
        isBegun = true;
        return receiveOne$(socket, inbound);
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

function receiveSecure$(socket: Socket, { config, context, peers, runtime }: InboundConfig): Observable<unknown> {
  const { handshakeMs } = config.timing;
  const { local, remote } = endpointsOf(socket);
  return secure$(socket, { context, role: 'server' }).pipe(
    within(handshakeMs, 'There was no TLS handshake', runtime.scheduler),
    map((secured) => new FramedLink({ ...secured, local, remote, technique: 'direct', direct: true }, framedWire())),
    switchMap((framed) =>
      readHello$(framed, handshakeMs, runtime.scheduler).pipe(
        tap((hello) => {
          peers.receive(framed, hello);
        }),
      ),
    ),
  );
}

/** In direct mode the dialling side sends a nonce first. By that this side recognises a connection that it has asked for. */
function receivePlain$(socket: Socket, { config, peers, runtime, nonces }: InboundConfig): Observable<unknown> {
  const { address } = endpointsOf(socket).remote;
  const add = () => {
    const start = { direction: 'inbound', nonce: false } as const;
    peers.add(plainConnection(plainLink(socket, 'direct'), start, { ...config, runtime }));
  };
  if (config.mode === 'p2p') {
    if (!peers.hasInboundSlotFor(address)) {
      socket.destroy();
      throw new DialError('all inbound slots are taken');
    }
    add();
    return EMPTY;
  }
  return takeWithNonce$(socket, {
    withinMs: config.timing.handshakeMs,
    late: 'There was no nonce',
    runtime,
    take: (nonce) => {
      if (nonces.take(nonce, socket)) return;
      if (!peers.hasInboundSlotFor(address)) throw new DialError('all inbound slots are taken');
      add();
    },
  });
}
