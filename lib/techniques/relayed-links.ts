import type { Duplex } from 'node:stream';
import { finalize, map, switchMap, take, tap, type Observable } from 'rxjs';
import type { ResolvedConfig } from '../config.js';
import type { PeerId } from '../identity.js';
import { FramedLink, FramedWire } from '../link/framed-link.js';
import { readHello$ } from '../link/handshake.js';
import { linkOf, type Link } from '../link/link.js';
import { secure$, type SecureSettings } from '../link/tls.js';
import type { Peers } from '../peers/peers.js';
import type { Runtime } from '../runtime.js';

/** What links over a server need of their node. */
interface RelayedLinksConfig {
  readonly config: ResolvedConfig;
  readonly runtime: Runtime;
  readonly context: SecureSettings;
  readonly peers: Peers;
}

/** How streams that lead over a server to a peer become links. */
interface RelayedLinks {
  /**
   * Does the TLS handshake on a stream, in which the peer proves its key. Emits the link when that is done and the stream's ends are known, and
   * completes. Has no time limit of its own.
   */
  readonly secure$: (
    stream: Duplex,
    ends$: Observable<Pick<Link, 'local' | 'remote'>>,
    role: 'client' | 'server',
    peerId: PeerId,
  ) => Observable<Link>;
  /** Accepts a link if the peer chooses it: emits once the peer's hello has come and the link is taken over. */
  readonly receive$: (link: Link) => Observable<unknown>;
}

/** How a technique makes links over a server. */
export function relayedLinks(
  technique: string,
  { config: { timing }, runtime, context, peers }: RelayedLinksConfig,
): RelayedLinks {
  return {
    secure$: (stream, ends$, role, peerId) =>
      secure$(stream, { context, role, peerId }).pipe(
        switchMap((secured) => {
          let link: Link | undefined;
          return ends$.pipe(
            take(1),
            map((ends) => (link = linkOf(secured, ends, technique, false))),
            finalize(() => {
              if (link === undefined) secured.stream.destroy();
            }),
          );
        }),
      ),
    receive$: (link) => {
      const framed = new FramedLink(link, new FramedWire());
      return readHello$(framed, timing.handshakeMs, runtime.scheduler).pipe(
        tap((hello) => {
          peers.receive(framed, hello);
        }),
      );
    },
  };
}
