import { contextOf } from '../connection/start.js';
import { map, switchMap, tap } from 'rxjs';
import type { ResolvedConfig } from '../config.js';
import { PeerConnection } from '../connection/peer-connection.js';
import { formatEndpoint } from '../endpoint.js';
import { isGreater } from '../identity.js';
import { FramedLink, FramedWire } from '../link/framed-link.js';
import { linkOf } from '../link/link.js';
import { readHello$ } from '../link/handshake.js';
import { endpointsOf } from '../link/tcp.js';
import { secure$, type SecureSettings } from '../link/tls.js';
import { within } from '../operators/within.js';
import type { Runtime } from '../runtime.js';
import type { Security } from './security.js';

/** What TLS needs of its node. */
interface TlsSecurityConfig {
  readonly config: ResolvedConfig;
  readonly runtime: Runtime;
  readonly context: SecureSettings;
}

/** Links over TLS, on which both ends prove their keys. The first frame on a link tells which connection it is for. */
export function tlsSecurity({ config, runtime, context }: TlsSecurityConfig): Security {
  const { handshakeMs } = config.timing;
  const { scheduler } = runtime;
  const shared = contextOf(config, runtime);
  return {
    linkOver$: (socket, { technique, peerId }) => {
      const ends = endpointsOf(socket);
      return secure$(socket, { context, role: 'client', peerId }).pipe(
        within(handshakeMs, `${formatEndpoint(ends.remote)} did not finish the TLS handshake`, scheduler),
        map((secured) => linkOf(secured, ends, technique, true)),
      );
    },
    receive$: (socket, reception) => {
      const ends = endpointsOf(socket);
      return secure$(socket, { context, role: 'server' }).pipe(
        within(handshakeMs, 'There was no TLS handshake', scheduler),
        map((secured) => new FramedLink(linkOf(secured, ends, 'direct', true), new FramedWire())),
        switchMap((framed) =>
          readHello$(framed, handshakeMs, scheduler).pipe(
            tap((hello) => {
              reception.receive(framed, hello);
            }),
          ),
        ),
      );
    },
    connectionOver: (link, { direction, attempt }) => {
      // The node with the greater key chooses among links.
      const isControlling = isGreater(config.identity.peerId, link.peerId);
      const start = { id: runtime.newId(), direction, confirmed: false, isControlling, attempt };
      return new PeerConnection(new FramedLink(link, new FramedWire()), start, shared);
    },
  };
}
