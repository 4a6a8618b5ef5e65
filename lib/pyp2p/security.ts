import type { Socket } from 'node:net';
import { defer, EMPTY, of, type Observable } from 'rxjs';
import type { ResolvedConfig } from '../config.js';
import type { PeerConnection } from '../connection/peer-connection.js';
import { contextOf, type ConnectionStart } from '../connection/start.js';
import { DialError } from '../errors.js';
import type { Link } from '../link/link.js';
import { endpointsOf } from '../link/tcp.js';
import type { LinkOptions, Reception, Security } from '../peers/security.js';
import type { Runtime } from '../runtime.js';
import { Nonces, takeWithNonce$ } from './nonces.js';
import { plainConnection, plainLink, type PlainLink } from './plain-connection.js';

/** What plain links need of their node. */
interface Pyp2pSecurityConfig {
  readonly config: ResolvedConfig;
  readonly runtime: Runtime;
}

/**
 * PyP2P's plain links, without encryption and proof. In direct mode the dialling side sends a nonce first, by which the
 * other side recognises a connection that it has asked for.
 */
export class Pyp2pSecurity implements Security {
  /** The nonces that this node waits for. */
  readonly nonces: Nonces;
  readonly #config: Pyp2pSecurityConfig;

  constructor(config: Pyp2pSecurityConfig) {
    this.#config = config;
    this.nonces = new Nonces(() => config.runtime.scheduler.now());
  }

  linkOver$(socket: Socket, { technique }: LinkOptions): Observable<Link> {
    return of(plainLink(socket, technique));
  }

  receive$(socket: Socket, reception: Reception): Observable<unknown> {
    const { config, runtime } = this.#config;
    const { address } = endpointsOf(socket).remote;
    const add = () => {
      const start = { direction: 'inbound', nonce: false } as const;
      reception.add(plainConnection(plainLink(socket, 'direct'), start, contextOf(config, runtime)));
    };
    if (config.mode === 'p2p') {
      return defer(() => {
        if (!reception.hasInboundSlotFor(address)) {
          socket.destroy();
          throw new DialError('all inbound slots are taken');
        }
        add();
        return EMPTY;
      });
    }
    return takeWithNonce$(socket, {
      withinMs: config.timing.handshakeMs,
      late: 'There was no nonce',
      runtime,
      take: (nonce) => {
        if (this.nonces.take(nonce, socket)) return;
        if (!reception.hasInboundSlotFor(address)) throw new DialError('all inbound slots are taken');
        add();
      },
    });
  }

  connectionOver(link: PlainLink, { direction }: Pick<ConnectionStart, 'direction'>): PeerConnection {
    const { config, runtime } = this.#config;
    const nonce = config.mode === 'direct' && link.hasNonce !== true;
    return plainConnection(link, { direction, nonce }, contextOf(config, runtime));
  }
}
